"""Every command's wrong arguments, asked of the real qemu-ga and of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from guest.qemu import Talk, masked
from plugin.guest.command.surroundings import Surroundings
from plugin.guest.machine import Machine
from plugin.guest.qga.parser import QemuParser
from plugin.guest.qga.tables import first_unknown

WRONG: tuple[Any, ...] = (
    *(None, 5, -1, 1.5, "x", "", True, [], {}, [1], ["a"], [{}], [[]], {"a": 1}),
    99999999999999999999,
)
#: Arguments with which nothing happens: no file, no program, no user of that name.
HARMLESS: dict[str, dict[str, Any]] = {
    "guest-sync": {"id": 1},
    "guest-sync-delimited": {"id": 1},
    "guest-file-open": {"path": "/no/such", "mode": "r"},
    "guest-file-close": {"handle": 5},
    "guest-file-read": {"handle": 5, "count": 1},
    "guest-file-write": {"handle": 5, "buf-b64": "eA==", "count": 1},
    "guest-file-seek": {"handle": 5, "offset": 0, "whence": 0},
    "guest-file-flush": {"handle": 5},
    "guest-exec": {
        "path": "/no/such",
        "arg": ["a"],
        "env": ["A=b"],
        "input-data": "eA==",
        "capture-output": False,
    },
    "guest-exec-status": {"pid": 1},
    "guest-ssh-get-authorized-keys": {"username": "nosuch"},
    "guest-ssh-add-authorized-keys": {"username": "nosuch", "keys": ["k"], "reset": False},
    "guest-ssh-remove-authorized-keys": {"username": "nosuch", "keys": ["k"]},
    "guest-shutdown": {"mode": "halt"},
    "guest-set-time": {"time": 0},
}
WITHOUT = (
    *("guest-ping", "guest-info", "guest-get-time", "guest-get-host-name", "guest-get-users"),
    *("guest-get-timezone", "guest-get-osinfo", "guest-fsfreeze-status", "guest-fsfreeze-thaw"),
    *("guest-network-get-interfaces", "guest-get-vcpus", "guest-get-fsinfo", "guest-get-disks"),
    *("guest-get-memory-blocks", "guest-get-memory-block-info", "guest-get-diskstats"),
    *("guest-get-cpustats", "guest-get-devices", "guest-suspend-ram", "guest-fsfreeze-freeze"),
)


def questions() -> Iterator[dict[str, Any]]:
    """Give every command with every wrong value in every place, too few and too many."""
    for name in WITHOUT:
        for wrong in ({"x": 1}, {"x": None, "y": 2}, [], None, "x", 5):
            yield {"execute": name, "arguments": wrong, "id": [name]}
    for name, right in HARMLESS.items():
        yield {"execute": name}
        for more in ({}, {"zz": 1}, {**right, "zz": 1}, {**right, "a": 1, "b": 2, "c": 3, "d": 4}):
            yield {"execute": name, "arguments": more}
        for key in right:
            yield {"execute": name, "arguments": {k: v for k, v in right.items() if k != key}}
            for wrong in WRONG:
                yield {"execute": name, "arguments": {**right, key: wrong}}


@pytest.mark.process
def test_wrong_arguments_of_every_command(ours: str, theirs: str) -> None:
    """Hundreds of them: class and description are qemu-ga's, byte for byte."""
    with Talk(ours) as here, Talk(theirs) as there:
        for question in questions():
            line = json.dumps(question).encode() + b"\n"
            assert masked(here.ask(line)) == masked(there.ask(line)), line


#: What qemu-ga 7.2 answers to commands that are blocked above, asked once by hand, unblocked.
OF_OBJECTS = {
    '"guest-set-vcpus", {"vcpus": [{}]}': "Parameter 'vcpus[0].logical-id' is missing",
    '"guest-set-vcpus", {"vcpus": [{"logical-id": 1}]}': "Parameter 'vcpus[0].online' is missing",
    '"guest-set-vcpus", {"vcpus": [{"logical-id": "x", "online": true}]}': (
        "Invalid parameter type for 'vcpus[0].logical-id', expected: integer"
    ),
    '"guest-set-vcpus", {"vcpus": [{"logical-id": 9, "online": true, "zz": 1}]}': (
        "Parameter 'vcpus[0].zz' is unexpected"
    ),
    '"guest-set-vcpus", {"vcpus": [{"logical-id": 9, "online": true, "can-offline": 5}]}': (
        "Invalid parameter type for 'vcpus[0].can-offline', expected: boolean"
    ),
    '"guest-set-vcpus", {"vcpus": [{"logical-id": 99999, "online": true}]}': (
        'open("/sys/devices/system/cpu/cpu99999/"): No such file or directory'
    ),
    '"guest-set-vcpus", {"vcpus": [[]]}': "Invalid parameter type for 'vcpus[0]', expected: object",
    '"guest-set-memory-blocks", {"mem-blks": [{"phys-index": "x", "online": true}]}': (
        "Parameter 'mem-blks[0].phys-index' expects uint64"
    ),
    '"guest-set-memory-blocks", {"mem-blks": [{"phys-index": 1, "online": 5}]}': (
        "Invalid parameter type for 'mem-blks[0].online', expected: boolean"
    ),
    '"guest-shutdown", {"mode": "x"}': "mode is invalid (valid values are: halt|powerdown|reboot",
    '"guest-shutdown", {"mode": 5}': "Invalid parameter type for 'mode', expected: string",
    '"guest-set-time", {"time": "x"}': "Invalid parameter type for 'time', expected: integer",
    '"guest-fstrim", {"minimum": []}': "Invalid parameter type for 'minimum', expected: integer",
    '"guest-set-user-password", {"username": "a", "password": "!", "crypted": true}': (
        "Base64 data contains invalid characters"
    ),
    '"guest-set-user-password", {"username": "a:b", "password": "eAp5", "crypted": true}': (
        "forbidden characters in raw password"
    ),
    '"guest-set-user-password", {"username": "a:b", "password": "eA==", "crypted": true}': (
        "forbidden characters in username"
    ),
    '"guest-set-user-password", {"username": "no", "password": "eA==", "crypted": false}': (
        "child process has failed to set user password"
    ),
}


@pytest.mark.parametrize("asked", OF_OBJECTS)
def test_what_would_act_on_the_machine(tmp_path: Any, asked: str) -> None:
    """Members of objects in lists are named by their place, and checked before anything is done."""
    name, arguments = json.loads(f"[{asked}]")
    parser = QemuParser(Surroundings(Machine(str(tmp_path))))
    answer = json.loads(parser.answer({"execute": name, "arguments": arguments}))
    assert answer == {"error": {"class": "GenericError", "desc": OF_OBJECTS[asked]}}


def test_processors_and_blocks_are_set(tmp_path: Any) -> None:
    """Those before one that fails are counted; blocks that are not there say so with errno."""
    folder = tmp_path / "sys" / "devices" / "system"
    (folder / "cpu" / "cpu0").mkdir(parents=True)
    (folder / "cpu" / "cpu1").mkdir()
    (folder / "cpu" / "cpu1" / "online").write_text("1\n")
    (folder / "memory" / "memory7").mkdir(parents=True)
    (folder / "memory" / "memory7" / "state").write_text("online\n")
    parser = QemuParser(Surroundings(Machine(str(tmp_path))))

    def ask(name: str, **arguments: Any) -> Any:
        return json.loads(parser.answer({"execute": name, "arguments": arguments}))

    both = [{"logical-id": 1, "online": False}, {"logical-id": 0, "online": False}]
    assert ask("guest-set-vcpus", vcpus=both) == {"return": 1}
    assert (folder / "cpu" / "cpu1" / "online").read_text()[0] == "0"
    first = ask("guest-set-vcpus", vcpus=both[1:])["error"]["desc"]
    assert first == "logical processor #0 can't be offlined"
    blocks = [{"phys-index": 7, "online": False}, {"phys-index": 9, "online": True}]
    assert ask("guest-set-memory-blocks", **{"mem-blks": blocks})["return"] == [
        {"phys-index": 7, "response": "success"},
        {"phys-index": 9, "response": "not-found", "error-code": 2},
    ]


def test_the_first_unknown_member_of_many() -> None:
    """However many there are, one of those that are unknown is named."""
    for count in range(1, 300):
        names = [f"m{number}" for number in range(count)]
        assert first_unknown(names, set(names[:-1][:5])) in names
