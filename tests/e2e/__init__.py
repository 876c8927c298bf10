"""Tests with real processes on loopback; `processes` and `network` start and end them."""
