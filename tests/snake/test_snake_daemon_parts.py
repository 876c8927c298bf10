"""`daemon.logs`, `daemon.files`, `daemon.updates`: lines, addresses, and the daemon's own ad."""

import stat

import pytest
from rooms import Den

from plugin.snake.daemon.files import FileWitness, host_and_port, sinful, write_address
from plugin.snake.daemon.logs import COMMAND, DaemonLog, log_line


@pytest.mark.parametrize(
    ("debug", "line"),
    [
        ({"D_UTC"}, "01/02/70 00:00:00 a\n\tb"),
        ({"D_UTC", "D_SUBSECOND"}, "01/02/70 00:00:00.250 a\n\tb"),
        ({"D_UTC", "D_CATEGORY"}, "01/02/70 00:00:00 (D_COMMAND) a\n\tb"),
    ],
)
def test_lines_look_like_those_of_htcondors_daemons(debug, line):
    """Time stamps in UTC, with parts of a second, with the category; further lines indented."""
    assert log_line(86400.25, COMMAND, "a\nb\n", frozenset(debug)) == line


def test_a_category_is_shown_where_it_is_asked_for(tmp_path):
    """What always is logged always is; a file is appended to, and the terminal if it cannot be."""
    lines = []
    log = DaemonLog(lines.append, lambda: 0.0)
    log.line("hidden", COMMAND)
    log.line("shown")
    log.debug = frozenset({"D_ALL"})
    log.file = tmp_path / "log"
    log.line("in the file", COMMAND)
    log.file = tmp_path / "log" / "log"
    log.line("at last")
    assert [line.split(" ", 2)[2] for line in lines if "cannot" not in line] == ["shown", "at last"]
    assert "in the file" in (tmp_path / "log").read_text()


def test_addresses_are_written_and_read():
    """Sinfuls of both families, and what people write for a collector."""
    assert sinful("127.0.0.1", 9618) == "<127.0.0.1:9618?addrs=127.0.0.1-9618>"
    assert sinful("::1", 1) == "<[::1]:1?addrs=[--1]-1>"
    assert host_and_port(sinful("127.0.0.1", 5)) == ("127.0.0.1", 5)
    assert host_and_port(sinful("::1", 5)) == ("::1", 5)
    assert host_and_port("example.org") == ("example.org", 9618)
    assert host_and_port("[::1]") == ("::1", 9618)
    with pytest.raises(ValueError, match="port"):
        host_and_port("example.org:port")


def test_the_address_file_is_written_whole(tmp_path):
    """Address, version and platform, and the directory if it is not there."""
    write_address(tmp_path / "log" / "address", "<1.2.3.4:5>")
    address, version, platform = (tmp_path / "log" / "address").read_text().splitlines()
    assert address == "<1.2.3.4:5>"
    assert version.startswith("$CondorVersion: ")
    assert platform.startswith("$CondorPlatform: ")


def test_only_a_directory_of_ones_own_proves_anything(tmp_path):
    """A private directory does; a file, a link, an open directory and nothing do not."""
    witness = FileWitness(("127.0.0.1", 7), tmp_path)
    assert "FS_127.0.0.1_7_" in witness.path()
    assert witness.path() != witness.path()
    (tmp_path / "own").mkdir(0o700)
    (tmp_path / "link").symlink_to(tmp_path / "own")
    (tmp_path / "file").touch(0o600)
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    assert stat.S_ISDIR((tmp_path / "own").stat().st_mode)
    assert "@" in witness.owner(str(tmp_path / "own"))
    for name in ("link", "file", "open", "nothing"):
        assert witness.owner(str(tmp_path / name)) is None


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("def updateDaemonAd(ad):\n    1 / 0\n", "updateDaemonAd raised"),
        ("def updateDaemonAd(ad):\n    return 7\n", "gave no ClassAd"),
        ("x = 1\n", "is missing"),
    ],
)
def test_an_update_that_fails_is_skipped(tmp_path, code, told):
    """Missing, raising, or giving something else: a line in the log, and the daemon lives."""
    den = Den(tmp_path, code, extra="COLLECTOR_HOST = nowhere:port", table=()).start()
    den.clock.advance(0)
    assert den.said(told)
    den.daemon.stop()


def test_the_daemon_wins_over_what_the_code_says(tmp_path):
    """Attributes are added; those that the daemon knows better stay, and updates are counted."""
    code = (
        "def updateDaemonAd(ad):\n    ad['Mine'] = ad['UpdateInterval'] + 1\n"
        "    ad['MyAddress'] = 'elsewhere'\n    return ad\n"
    )
    den = Den(tmp_path, code, extra="COLLECTOR_HOST = x:y\nTEST_UPDATE_INTERVAL = 60", table=())
    den.start()
    den.later(130)
    ad = den.daemon._updates.ad()
    assert (ad["Mine"], ad["MyAddress"]) == (61, den.daemon.address)
    assert (ad["MyType"], ad["UpdateSequenceNumber"]) == ("TEST", 3)
    den.daemon.stop()
    assert den.clock.getDelayedCalls() == []


def test_random_bytes_are_drawn_once(tmp_path):
    """As many as are asked for, and never the same again, however they are held in store."""
    den = Den(tmp_path, "x = 1\n", table=()).start()
    gate = den.daemon.gate("127.0.0.1", ("127.0.0.1", 1))
    drawn = [gate.random_bytes(16) for _ in range(2000)]
    assert {len(one) for one in drawn} == {16}
    assert len(set(drawn)) == 2000
    den.daemon.stop()
