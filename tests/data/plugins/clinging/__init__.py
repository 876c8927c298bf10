"""Plugins that do not end as they should."""

__all__ = ["clinging"]
