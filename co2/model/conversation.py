"""What a conversation's generator yields when it is no reply (PROTOCOL section 9)."""

from __future__ import annotations

from typing import Any

from attrs import frozen


@frozen
class Ask:
    """A request for input: the payload that comes is the value of the `yield`.

    `prompt` says what is wanted, for a person or a program; it travels beside `asks`.
    """

    prompt: Any = None
