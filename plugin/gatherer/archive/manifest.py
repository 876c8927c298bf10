"""What an archive says about itself: for each host what was asked, what came, and what did not.

No I/O. The problems of single objects are kept up to a number; how many there were is always told.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from attrs import define, evolve, field

from plugin.gatherer.protocol.reports import Outcome
from plugin.gatherer.wanted.profiles import Paths, Run, Wanted

MOST_PROBLEMS: Final = 500
"""Objects of one request whose problems are listed singly."""

FORMAT: Final = 1

Clean = Callable[[str], str]


@define
class Entry:
    """One request of one host.

    Attributes:
        wanted: what was asked for.
        outcome: how it ended; None while it has not.
        objects: that came, links and directories included.
        content: bytes of files that came.
        left_out: bytes that were left out, as far as known.
        incomplete: objects of which a part is missing though it was announced.
        problems: (path, code, words) of objects that did not come whole.
    """

    wanted: Wanted
    outcome: Outcome | None = None
    code: int = 0
    why: str = ""
    seconds: float = 0.0
    objects: int = 0
    content: int = 0
    left_out: int = 0
    incomplete: int = 0
    problem_count: int = 0
    problems: list[tuple[str, int, str]] = field(factory=list)
    taken_over: bool = False

    def problem(self, path: str, code: int, words: str) -> None:
        """Take note of an object that did not come whole."""
        self.problem_count += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append((path, code, words))

    def take_over(self, struct: dict[str, Any]) -> None:
        """Take over what an earlier manifest says of the same request; it is clean already."""
        self.taken_over = True
        self.outcome, self.code = Outcome(struct["outcome"]), int(struct["code"])
        self.why, self.seconds = str(struct["why"]), float(struct["seconds"])
        self.objects, self.content = int(struct["objects"]), int(struct["bytes"])
        self.left_out, self.problem_count = int(struct["left_out"]), int(struct["problem_count"])
        self.problems = [(one["path"], one["code"], one["why"]) for one in struct["problems"]]

    @property
    def whole(self) -> bool:
        """Whether everything that could be had came."""
        return self.outcome is Outcome.DONE and not self.incomplete

    def as_struct(self, clean: Clean = str) -> dict[str, Any]:
        """Give what the manifest says of it, every text through `clean`."""
        kind = "paths" if isinstance(self.wanted, Paths) else "command"
        outcome = (self.outcome or Outcome.SKIPPED).value
        if self.outcome is Outcome.DONE and self.incomplete:
            outcome = Outcome.PARTLY.value
        plain = str if self.taken_over else clean
        return {
            "kind": kind,
            "request": clean(self.wanted.label),
            "profile": self.wanted.profile,
            "outcome": outcome,
            "code": self.code,
            "why": plain(self.why),
            "seconds": self.seconds,
            "objects": self.objects,
            "bytes": self.content,
            "left_out": self.left_out,
            "incomplete": self.incomplete,
            "problem_count": self.problem_count,
            "problems": [
                {
                    "path": plain(path),
                    "code": code,
                    "name": errno.errorcode.get(code, ""),
                    "why": plain(words),
                }
                for path, code, words in self.problems
            ],
        }


@define
class HostManifest:
    """One host's part.

    Attributes:
        host: its name, cleaned where everything is.
        entries: its requests.
        clean: what every text goes through, once, on its way out; None where nothing is cleaned.
        why: what a person should know of the host, or nothing.
        began: when, ISO 8601.
        seconds: it took.
    """

    host: str
    entries: list[Entry]
    clean: Clean | None = None
    why: str = ""
    began: str = ""
    seconds: float = 0.0

    @property
    def state(self) -> str:
        """`full`, `partial` or `nothing`."""
        if self.entries and all(entry.whole for entry in self.entries) and not self.why:
            return "full"
        some = any(entry.objects for entry in self.entries)
        return "partial" if some else "nothing"

    def as_struct(self) -> dict[str, Any]:
        """Give what manifest.json says."""
        clean = self.clean or str
        return {
            "format": FORMAT,
            "host": self.host,
            "state": self.state,
            "why": clean(self.why),
            "cleaned": self.clean is not None,
            "began": self.began,
            "seconds": self.seconds,
            "objects": sum(entry.objects for entry in self.entries),
            "bytes": sum(entry.content for entry in self.entries),
            "left_out": sum(entry.left_out for entry in self.entries),
            "requests": [entry.as_struct(clean) for entry in self.entries],
        }

    def as_json(self) -> str:
        """Give the text of manifest.json."""
        return json.dumps(self.as_struct(), indent=1, ensure_ascii=True) + "\n"


def as_before(struct: dict[str, Any]) -> HostManifest:
    """Give the manifest of a host that is not gathered again, as an earlier archive has it.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    entries = []
    for one in struct["requests"]:
        label = str(one["request"])
        wanted = Run(label) if one["kind"] == "command" else Paths(label)
        entry = Entry(evolve(wanted, profile=str(one["profile"])))
        entry.take_over(one)
        entries.append(entry)
    manifest = HostManifest(str(struct["host"]), entries)
    manifest.why, manifest.began = str(struct["why"]), str(struct["began"])
    manifest.seconds = float(struct["seconds"])
    manifest.clean = str if struct.get("cleaned") else None
    return manifest


def done_before(manifest: dict[str, Any]) -> frozenset[tuple[str, str]]:
    """Give the (kind, request) pairs that an earlier manifest has whole."""
    return frozenset(
        (entry["kind"], entry["request"])
        for entry in manifest.get("requests", ())
        if entry.get("outcome") == Outcome.DONE.value and not entry.get("incomplete")
    )


def human(count: int) -> str:
    """Give a number of bytes as people read it."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def index(hosts: Sequence[HostManifest], title: str) -> str:
    """Give the text of the index: every host, what came, and everything that did not."""
    lines = [title, "=" * len(title), ""]
    for host in hosts:
        data = host.as_struct()
        total = f"{data['objects']} objects, {human(data['bytes'])}"
        lines.append(f"{host.host}: {host.state}, {total}, {host.seconds:.1f} s")
        if data["why"]:
            lines.append(f"    {data['why']}")
        lines += [f"    {line}" for line in _missing(data["requests"])]
    lines += [
        "",
        "Files lie under HOST/files, outputs under HOST/commands. HOST/manifest.json has every",
        "request with its code, its bytes, the bytes left out, and how long it took.",
        "",
    ]
    return "\n".join(lines)


def _missing(requests: Iterable[dict[str, Any]]) -> Iterable[str]:
    for request in requests:
        notes = []
        if request["outcome"] != Outcome.DONE.value:
            notes.append(request["outcome"])
        if request["why"]:
            notes.append(request["why"])
        if request["left_out"]:
            notes.append(f"{human(request['left_out'])} left out")
        if request["problem_count"]:
            notes.append(f"{request['problem_count']} objects did not come whole")
        if request["kind"] == "command" and request["code"] and request["outcome"] == "done":
            notes.append(f"exit code {request['code']}")
        if notes:
            yield f"{request['kind']} {request['request']}: {'; '.join(notes)}"


__all__ = ["Entry", "HostManifest", "done_before", "human", "index"]
