"""What may be read and run on a host for others: the host's own rules, read-only by nature.

The gatherer never writes on a host; these rules say what it may look at. They are checked on the
host that is gathered, whatever the collecting side asks, and the part of a pattern that is not
allowed is excluded rather than trusted: excluded patterns hold for paths as found and as resolved.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence

from attrs import evolve, frozen

from plugin.gatherer.wanted.profiles import Paths, Run, Wanted


@frozen
class Policy:
    """A host's rules.

    Attributes:
        paths: patterns (fnmatch's) of what may be read; a request outside all of them is refused.
        never: patterns of what is excluded always, whatever allows it.
        commands: patterns (fnmatch's) of commands that may be run.
        only_profiles: whether only what the host's own profiles list may be gathered.
        most: bytes at most of one request, 0 for no limit.
        seconds: seconds at most for one step of a request.
    """

    paths: tuple[str, ...] = ("/*",)
    never: tuple[str, ...] = (
        "/etc/shadow*",
        "/etc/gshadow*",
        "*/.ssh/id_*",
        "*/.gnupg/*",
        "/etc/ssl/private/*",
        "*admin.token",
        "*/ssh_host_*_key",
    )
    commands: tuple[str, ...] = ("*",)
    only_profiles: bool = False
    most: int = 0
    seconds: float = 600.0

    def judge(self, wanted: Wanted, known: Sequence[Wanted] = ()) -> tuple[Wanted, str]:
        """Give the request as it may be carried out, and why it may not, or nothing.

        Args:
            wanted: what is asked for.
            known: what the host's own profiles list.
        """
        if self.only_profiles and not any(_same(wanted, one) for one in known):
            return wanted, "this host gathers only what its own profiles list"
        if isinstance(wanted, Run):
            if not _matches(wanted.run, self.commands):
                return wanted, "this host's policy does not allow the command"
            return self._within(wanted), ""
        pattern = os.path.normpath(wanted.pattern)
        if not _matches(pattern, self.paths):
            return wanted, "this host's policy does not allow the path"
        within = self._within(wanted)
        assert isinstance(within, Paths)
        return evolve(within, exclude=(*within.exclude, *self.never)), ""

    def _within(self, wanted: Wanted) -> Wanted:
        limit = wanted.limit
        if self.most and (not limit or limit > self.most):
            limit = self.most
        return evolve(wanted, limit=limit, seconds=min(wanted.seconds, self.seconds))


def _matches(text: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(text, one) for one in patterns)


def _same(one: Wanted, other: Wanted) -> bool:
    return type(one) is type(other) and one.label == other.label


OPEN = Policy(never=())
"""No rules but the table of what is never read: for gathering one's own machine as oneself."""
