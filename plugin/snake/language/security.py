"""What a configuration wants of sessions, level by level: `SEC_level_feature`.

Decides which knob counts for a level, and names every knob of security that nobody reads: a
policy that somebody wrote down and nothing applies is the worst kind.

Source: HTCondor's manual, as its security chapter says which knob goes before which.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from functools import partial

from attrs import frozen

from plugin.snake.cedar.commands import LEVELS
from plugin.snake.cedar.negotiation import Policy, Wish

FEATURES = ("AUTHENTICATION", "ENCRYPTION", "INTEGRITY")
CLIENT = "CLIENT"
"""The level of what this daemon asks of others: its updates."""
_INSTEAD = {level: "DAEMON" for level in LEVELS if level.startswith("ADVERTISE_")}
_READ = frozenset(
    [f"SEC_{level}_{feature}" for level in (*LEVELS, "DEFAULT") for feature in FEATURES]
    + [f"SEC_{feature}" for feature in FEATURES]
    + [f"{rule}_{level}" for rule in ("ALLOW", "DENY") for level in LEVELS]
)
_SECURITY = re.compile(r"(SEC|ALLOW|DENY|HOSTALLOW|HOSTDENY)_.+")


@frozen
class Policies:
    """The policy of each level that has one of its own, and that of all others."""

    default: Policy
    levels: dict[str, Policy]

    @classmethod
    def read(cls, wish: Callable[[str], Wish | None]) -> Policies:
        """Read the policies of all levels.

        Args:
            wish: gives what a knob says, None if it is not set.
        """

        def policy(*names: str) -> Policy:
            said = partial(_first, wish, names)
            return Policy(said("AUTHENTICATION"), said("ENCRYPTION"), said("INTEGRITY"), ("FS",))

        wish = functools.cache(wish)
        default = policy("DEFAULT")
        found = {
            level: policy(level, *filter(None, [_INSTEAD.get(level)]), "DEFAULT")
            for level in LEVELS
        }
        return cls(default, {level: own for level, own in found.items() if own != default})

    def of(self, level: str | None) -> Policy:
        """Give the policy of a level; the default one if there is no such level."""
        return self.levels.get(level or "", self.default)


def _first(wish: Callable[[str], Wish | None], names: tuple[str, ...], feature: str) -> Wish:
    wishes = (wish(f"SEC_{name}_{feature}") for name in names)
    return next((found for found in wishes if found is not None), Wish.OPTIONAL)


def unread(genus: str, names: Iterable[str]) -> list[str]:
    """Give those of a configuration's names that are about security, and that nobody reads.

    Args:
        genus: its name; what is another's is not looked at.
        names: of all definitions.
    """
    return [name for name in names if _is_unread(name.upper(), genus.upper())]


def _is_unread(name: str, genus: str) -> bool:
    own = name.removeprefix(f"{genus}_")
    # HTCondor's way to say for whom a knob is, which is not read here
    told = own.removeprefix(f"{genus}.")
    return _SECURITY.fullmatch(told) is not None and (told != own or own not in _READ)
