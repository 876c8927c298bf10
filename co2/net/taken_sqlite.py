"""What the inbox has taken, on disk: nothing is run twice, even when the host dies on the way.

Before plugins see a message its key is committed, and after they have, their answer; until that is
so, `taken_notes` has it. A message that comes again is known: finished, then the answer is the
same; or begun by a process that died, then it is run once more and marked `redelivered`.

Bounded: the newest so many are kept, in memory only those under way.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from co2.interfaces import ITaken
from co2.model.messages import Taken
from co2.model.recent import Recent
from co2.net.journal_file import JournalFile
from co2.net.journal_ledger import told
from co2.net.journal_writer import Statement
from co2.net.taken_notes import TakenNotes

_REMEMBERED = 200_000
_CLEAN_EVERY = 1_000


@implementer(ITaken)
class SqliteTaken:
    """See the module.

    Args:
        file: where it is written.
        notes: what is not written there yet.
    """

    outlives = True

    def __init__(self, file: JournalFile, notes: TakenNotes) -> None:
        self._file = file
        self._notes = notes
        self._running: dict[tuple[str, str], bytes] = {}
        self._unwritten: Recent[tuple[str, str], Taken] = Recent(_CLEAN_EVERY)
        self._count = 0
        if notes.left:
            statements = [_answer_of(key, json.dumps(said)) for key, said in notes.left.items()]
            file.write(*statements).addCallbacks(lambda _: notes.committed_left(), told)

    def known(self, key: tuple[str, str]) -> Taken | None:
        """Give what is known of that message."""
        digest = self._running.get(key)
        if digest is not None:
            return Taken(digest, None, True)
        unwritten = self._unwritten.get(key)
        if unwritten is not None:
            return unwritten
        rows = self._file.rows("SELECT digest, answer FROM taken WHERE random = ? AND id = ?", *key)
        if not rows:
            return None
        digest, answer = rows[0]
        said = self._notes.left.get(key) if answer is None else json.loads(answer)
        return Taken(digest, said, False)

    def begin(self, key: tuple[str, str], digest: bytes) -> Deferred[None]:
        """Note that plugins are about to see it."""
        self._running[key] = digest
        self._count += 1
        statements: list[Statement] = [
            ("INSERT OR IGNORE INTO taken (random, id, digest) VALUES (?, ?, ?)", (*key, digest))
        ]
        if self._count % _CLEAN_EVERY == 0:
            bound = "(SELECT max(number) FROM taken) - ?"
            statements.append((f"DELETE FROM taken WHERE number <= {bound}", (_REMEMBERED,)))
        return self._file.write(*statements, line="taken", key=key).addErrback(self._forget, key)

    def finish(self, key: tuple[str, str], answer: dict[str, Any]) -> Deferred[None]:
        """Note the answer."""
        text = json.dumps(answer)
        self._notes.note(key, text)
        done = self._file.write(_answer_of(key, text))
        done.addCallbacks(self._committed, self._unwritten_yet, (key,), errbackArgs=(key, answer))
        return done.addBoth(self._forget, key)

    def _committed(self, _: None, key: tuple[str, str]) -> None:
        self._notes.committed(key)

    def _unwritten_yet(self, failure: Failure, key: tuple[str, str], answer: dict[str, Any]) -> Any:
        # The file cannot tell any more that this was finished; as long as it lives, this host can.
        self._unwritten.put(key, Taken(self._running[key], answer, False))
        return failure

    def _forget(self, result: Any, key: tuple[str, str]) -> Any:
        self._running.pop(key, None)
        return result


def _answer_of(key: tuple[str, str], text: str) -> Statement:
    return "UPDATE taken SET answer = ? WHERE random = ? AND id = ?", (text, *key)
