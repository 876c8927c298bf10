"""The co2 command."""
