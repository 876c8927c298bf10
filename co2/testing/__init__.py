"""Doubles and contracts for tests of co2 and of plugins."""
