"""What a conversation's generator yields when it is no reply (PROTOCOL section 9)."""

from __future__ import annotations

from attrs import frozen


@frozen
class Ask:
    """A request for input: the payload that comes is the value of the `yield`.

    `prompt` says for a person what is wanted; it travels beside `asks`, and may be empty.
    """

    prompt: str = ""
