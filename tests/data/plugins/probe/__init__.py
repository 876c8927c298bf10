"""Tells a test what a plugin sees, and does what it is told."""

__all__ = ["probe"]
