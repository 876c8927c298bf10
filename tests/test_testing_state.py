"""co2.testing.state, and the SQLite file that it stands for: one contract, two stores."""

from __future__ import annotations

import pytest

from co2.net.state_sqlite import SqliteState
from co2.testing.contracts import IdentityStoreContract, RosterStoreContract
from co2.testing.state import MemoryState


class TestMemoryState(RosterStoreContract, IdentityStoreContract):
    """The double."""

    def make_store(self):
        return MemoryState()


class TestSqliteState(RosterStoreContract, IdentityStoreContract):
    """The file."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path):
        self.path = tmp_path / "co2.sqlite"
        self.opened: list[SqliteState] = []
        yield
        for store in self.opened:
            store.close()

    def make_store(self):
        store = SqliteState(self.path)
        self.opened.append(store)
        return store

    def reopen(self, store):
        return self.make_store()
