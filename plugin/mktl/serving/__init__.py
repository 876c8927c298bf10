"""Daemons and the registry: who owns items, and who knows the owners."""
