"""qemu-ga 7.2 answered these bytes so, and we do; what a machine's own is, is compared by form."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from e2e.processes import eventually

from guest.recordings import load
from plugin.guest.command.surroundings import Surroundings
from plugin.guest.machine import Machine
from plugin.guest.qga.parser import Conversation, QemuParser

#: Answers that tell of the machine, or of the time: the names of members and kinds of values count.
OF_THE_MACHINE = re.compile(
    r"guest-(get-(time|host-name|timezone|users|osinfo|fsinfo|disks|diskstats|cpustats|vcpus"
    r"|memory-block|devices)|network-get)"
)
MAY_BE_MISSING = {"variant", "variant-id", "zone"}
IN_TMP = re.compile(r"/tmp(?=[/\"])")


class Replay:
    """One conversation with our agent; process numbers are those that ours gave."""

    def __init__(self, folder: Path, transcript: list[dict[str, Any]]) -> None:
        self._folder = str(folder)
        parser = QemuParser(Surroundings(Machine()), block=blocked(transcript))
        self._conversation: Conversation = parser.conversation()
        self._pids: dict[str, str] = {}

    def differs(self, pair: dict[str, Any]) -> str | None:
        """Say what differs in one pair, None where nothing does."""
        sent, recorded = (self._placed(pair[key]) for key in ("send", "recv"))
        for old, new in self._pids.items():
            sent = re.sub(rf'("pid": ?){old}\b', rf"\g<1>{new}", sent)
        ours = self._ask(sent)
        if '"exited": true' in recorded:
            ours = eventually(
                lambda: ours_now(self, sent, ours), lambda now: '"exited": true' in now
            )
        pid = re.compile(r'\{"return": \{"pid": (\d+)\}')
        old, new = pid.match(recorded), pid.match(ours)
        if old and new:
            self._pids[old[1]] = new[1]
            return None
        if equal(sent, recorded, ours):
            return None
        return f"{sent!r}\n  recorded {recorded!r}\n  ours     {ours!r}"

    def _ask(self, sent: str) -> str:
        return self._conversation.feed(sent.encode("latin-1")).decode("latin-1")

    def _placed(self, text: str) -> str:
        return IN_TMP.sub(self._folder, text)


def ours_now(replay: Replay, sent: str, first: str) -> str:
    """Ask again for a program that has not ended yet."""
    return first if '"exited": false' not in first else replay._ask(sent)


def blocked(transcript: list[dict[str, Any]]) -> list[str]:
    """Give the commands that were disabled when it was recorded."""
    disabled = re.compile(r"Command (guest-[a-z-]+) has been disabled")
    names = [name for pair in transcript for name in disabled.findall(pair["recv"])]
    for pair in transcript:
        if '"supported_commands"' in pair["recv"]:
            commands = json.loads(pair["recv"])["return"]["supported_commands"]
            names += [one["name"] for one in commands if not one["enabled"]]
    return names


def equal(sent: str, recorded: str, ours: str) -> bool:
    """Tell whether two answers are equal, as far as they can be."""
    if recorded == ours:
        return True
    if "guest-info" in sent and '"return"' in recorded:
        told = [json.loads(text)["return"]["supported_commands"] for text in (recorded, ours)]
        return all(one in told[1] for one in told[0])
    if OF_THE_MACHINE.search(sent) and '"return"' in recorded and '"return"' in ours:
        forms = [form(json.loads(text.lstrip("\xff"))["return"]) for text in (recorded, ours)]
        return forms[0] == forms[1] or not all(forms)
    return False


def form(value: Any) -> Any:
    """Give the names and kinds of an answer; of a list, those of its first value."""
    if isinstance(value, dict):
        kept = {key: form(one) for key, one in value.items() if key not in MAY_BE_MISSING}
        return {key: one for key, one in kept.items() if one or not isinstance(one, list)}
    return [form(one) for one in value[:1]] if isinstance(value, list) else type(value).__name__


def test_recorded_answers(tmp_path: Path) -> None:
    """Every send gets what was recorded, byte for byte where the machine is not told of."""
    transcript = load("qga_transcript.json")
    replay = Replay(tmp_path, transcript)
    assert [found for pair in transcript if (found := replay.differs(pair))] == []
