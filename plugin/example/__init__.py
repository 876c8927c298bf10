"""The example package: what a plugin can do, one class for each thing.

A package lists its modules in `__all__`; the satellite imports just those.
"""

__all__ = ["example"]
