"""A first plugin package of your own; it lists its modules."""

__all__ = ["hello"]
