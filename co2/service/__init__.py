"""Wiring: rooms put together into Twisted services. Decides nothing."""
