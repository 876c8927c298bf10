"""Frozen values: what the rooms above hand to each other. No I/O, no clock, no behaviour."""
