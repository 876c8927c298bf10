"""snaked: a daemon whose commands are answered by Python generator functions."""
