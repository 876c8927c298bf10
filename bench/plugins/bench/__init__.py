"""What the benchmarks call."""

__all__ = ["bench"]
