"""What can be wrong with what a peer sends, or with what is to be sent to it."""

from __future__ import annotations


class CedarError(Exception):
    """The peer broke the protocol; the connection cannot go on."""


class FramingError(CedarError):
    """A packet's header, or the size of a message, is not acceptable."""


class PayloadError(CedarError, ValueError):
    """A message does not hold the values that were asked of it: too few, too many, malformed."""


class CryptoError(CedarError):
    """A packet is not what the owner of the session's key would have sent."""


class NegotiationError(CedarError):
    """The two sides cannot agree on how to speak."""
