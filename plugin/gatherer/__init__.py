"""Collects diagnostics from hosts, and survives what hangs.

The worker obeys requests on stdin and stdout (`docs/gatherer.md`); the driver runs workers, local
or far; `X_Gatherer` is the door to co2.
"""

__all__ = ["gatherer"]
