"""What a server stands on: the reactor, the network, its state, time and chance.

The real ones are opened here; `co2.testing` puts doubles in their place, and everything above is
the same.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from typing import Any

from attrs import frozen

from co2.interfaces import IIdentityStore, INetwork, IRosterStore, ITaken
from co2.model.settings import Retention, Settings
from co2.net.http_peer import HttpNetwork
from co2.net.journal_file import JournalFile
from co2.net.journal_sqlite import SqliteJournal
from co2.net.state_folder import StateFolder
from co2.net.state_sqlite import SqliteState
from co2.net.taken_notes import TakenNotes
from co2.net.taken_sqlite import SqliteTaken

Journals = Callable[[str, str, Retention, bool], Any]
"""Opens an IJournal that is an ILedger too: (name, id if it is new, retention, outgoing)."""


@frozen
class Surroundings:
    """See the module.

    Attributes:
        reactor: runs things later, by the steady clock, and takes calls from threads.
        network: the way to other servers.
        identities, rosters: what outlives the server.
        journals: opens a journal, the relay's ('relay') or a sender's ('outbox').
        taken: what the inbox has taken.
        admin_token: the credential for the level admin.
        now: gives UNIX seconds, for what people and other hosts read (`co2.model.clocks`).
        draw: gives a float in [0, 1), for waits that must not coincide.
    """

    reactor: Any
    network: INetwork
    identities: IIdentityStore
    rosters: IRosterStore
    admin_token: str
    journals: Journals
    taken: ITaken
    now: Callable[[], float] = time.time
    draw: Callable[[], float] = random.random


class Holdings:
    """A state folder and the file in it, open for as long as the server runs.

    Raises:
        SettingsError: the folder or the file cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.state_dir is not None
        self.folder = StateFolder(settings.state_dir)
        self.state = SqliteState(self.folder.database)
        self.file: JournalFile | None = None
        self.notes: TakenNotes | None = None

    def surroundings(self, reactor: Any) -> Surroundings:
        """Give what a real server stands on."""
        self.state.write_together(reactor)
        token = self.folder.admin_token(lambda: secrets.token_urlsafe(24))
        file = self.file = JournalFile(self.folder.path / "journal.sqlite", reactor)
        notes = self.notes = TakenNotes(self.folder.path / "taken.notes")

        def open_journal(
            name: str, fresh_id: str, retention: Retention, outgoing: bool
        ) -> SqliteJournal:
            return SqliteJournal(file, name, fresh_id, retention, reactor.seconds, outgoing)

        return Surroundings(
            reactor,
            HttpNetwork(reactor),
            self.state,
            self.state,
            token,
            open_journal,
            SqliteTaken(file, notes),
        )

    async def close(self) -> None:
        """Let go of the state, once everything is written."""
        if self.file is not None:
            await self.file.close()
        if self.notes is not None:
            self.notes.close()
        self.state.close()
        self.folder.close()
