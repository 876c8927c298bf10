"""Raises when it is imported."""

raise RuntimeError("broken at import")
