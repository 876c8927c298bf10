"""What recorders wrote down, and whether that keeps the promises: no loss, order, no repeats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from attrs import define, field
from e2e.processes import eventually


@define
class Figures:
    """What a run came to; printed at its end."""

    kills: Counter[str] = field(factory=Counter)
    answered: int = 0
    received: int = 0
    refused: list[str] = field(factory=list)
    lost: list[str] = field(factory=list)
    disordered: list[str] = field(factory=list)
    repeated: list[str] = field(factory=list)
    marked: int = 0
    marked_repeats: int = 0

    def __str__(self) -> str:
        kills = ", ".join(f"{count} of a {whom}" for whom, count in self.kills.items())
        return (
            f"kills: {kills or 'none'}; {self.answered:,} messages answered, {self.received:,} "
            f"received; refused: {len(self.refused)}, lost: {len(self.lost)}, "
            f"out of order: {len(self.disordered)}, "
            f"repeated unmarked: {len(self.repeated)}, repeated and marked: {self.marked_repeats} "
            f"(marked in all: {self.marked})"
        )

    def check(self) -> None:
        """Fail if a promise was broken."""
        in_the_middle = self.kills["receiver"] + self.kills["sender"]
        assert self.marked_repeats <= in_the_middle, f"{self}\nmore came again than plugins were at"
        wrong = [*self.refused[:5], *self.lost[:5], *self.disordered[:5], *self.repeated[:5]]
        assert not wrong, f"{self}\n" + "\n".join(wrong)


def lines(file: Path) -> list[str]:
    """Read the whole lines of a file that may be written to meanwhile."""
    text = file.read_text()
    return text[: text.rfind("\n") + 1].splitlines()


def numbers(file: Path) -> list[int]:
    """Read a file of numbers."""
    return [int(line) for line in lines(file)]


def received(folder: Path) -> list[tuple[str, int, bool]]:
    """Read what a recorder received: author, number, marked."""
    words = (line.split() for line in lines(folder / "received"))
    return [(author, int(number), marked == "1") for author, number, marked in words]


def await_last(folder: Path, last: dict[str, int], patience: float = 60.0) -> None:
    """Wait until a recorder has the last message of everybody else, however many are on their way.

    Raises:
        AssertionError: nothing more has come for that many seconds.
    """
    file = folder / "received"
    while not has_last(folder, last):
        before = file.stat().st_size
        if has_last(folder, last):
            break
        try:
            eventually(
                lambda: file.stat().st_size, lambda size, before=before: size > before, patience
            )
        except AssertionError as error:
            ends = {author: number for author, number, _ in received(folder)}
            raise AssertionError(f"{folder.name} is stuck at {ends}, waits for {last}") from error


def has_last(folder: Path, last: dict[str, int]) -> bool:
    """Tell whether a recorder has the last message of everybody else."""
    there = {(author, number) for author, number, _ in received(folder)}
    return all(item in there for item in last.items() if item[0] != folder.name)


def examine(figures: Figures, folders: Iterable[Path], killed: Iterable[str] = ()) -> Figures:
    """Compare what everybody sent with what everybody else received.

    Args:
        figures: added to.
        folders: of the satellites; the folder's name is the author.
        killed: those that were killed, and may have had a message twice if it was marked.
    """
    folders, killed = list(folders), set(killed)
    answered = {folder.name: numbers(folder / "answered") for folder in folders}
    for folder in folders:
        figures.refused += [
            f"{folder.name}: {line}" for line in (folder / "refused").read_text().splitlines()
        ]
    figures.answered += sum(map(len, answered.values()))
    for folder in folders:
        entries = received(folder)
        figures.received += len(entries)
        by_author: dict[str, list[tuple[int, bool]]] = {}
        for author, number, marked in entries:
            by_author.setdefault(author, []).append((number, marked))
        for author in answered.keys() - {folder.name}:
            way = f"{author} → {folder.name}"
            _examine_way(figures, way, by_author.get(author, []), folder.name in killed)
            missing = set(answered[author]) - {number for number, _ in by_author.get(author, [])}
            figures.lost += [f"{way}: {number} is lost" for number in sorted(missing)]
    return figures


def _examine_way(
    figures: Figures, way: str, came: list[tuple[int, bool]], may_repeat: bool
) -> None:
    seen: set[int] = set()
    highest = 0
    for number, marked in came:
        figures.marked += marked
        if marked and not may_repeat:
            figures.repeated.append(f"{way}: {number} is marked, and nobody killed the receiver")
        if number in seen:
            if marked and may_repeat:
                figures.marked_repeats += 1
            else:
                figures.repeated.append(f"{way}: {number} came again, marked: {marked}")
            continue
        seen.add(number)
        if number < highest:
            figures.disordered.append(f"{way}: {number} came after {highest}")
        highest = max(highest, number)
