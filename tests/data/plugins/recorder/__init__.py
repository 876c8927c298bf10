"""Numbers sent and received, on disk, where kill -9 cannot undo them."""

__all__ = ["recorder"]
