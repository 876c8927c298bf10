"""How much one document may hold. It knows numbers only; the decoders and the encoder apply them.

Precedents: expat has no limit of depth, the standard library's decoder none at all; libxml2 stops
at a depth of 256. PROTOCOL section 2 sets 64 and 100,000, which no honest call has come near, and
which a decoded value can be printed, compared and written again within.
"""

from __future__ import annotations

from attrs import frozen


@frozen
class Limits:
    """What a document is refused over.

    Attributes:
        max_depth: arrays and structs that may be open inside each other; a lone scalar has 0.
        max_values: `value` elements in the whole document, containers included.
    """

    max_depth: int = 64
    max_values: int = 100_000


DEFAULT_LIMITS = Limits()

BATCH_LIMITS = Limits(max_depth=72, max_values=2_000_000)
"""For answers of one's own relay that hold many messages, each of them within DEFAULT_LIMITS.

A batch puts every message some levels deeper than it was accepted at, and adds up their values.
"""
