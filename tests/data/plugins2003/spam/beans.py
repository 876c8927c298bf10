"""Is not in __all__, and so is not loaded."""

raise RuntimeError('this module must not be imported')
