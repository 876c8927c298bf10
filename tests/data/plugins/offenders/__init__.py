"""Everything that a plugin should not do, one class or module for each."""

__all__ = [
    "blocks",
    "blocks_in_thread",
    "breaks_at_import",
    "breaks_in_init",
    "breaks_in_methods",
    "breaks_in_receive",
    "claims",
    "exits",
    "forgets_init",
    "hangs",
    "is_not_there",
    "sends",
]
