"""`language`: macros, tables, rules, and what a genus makes of them."""

from pathlib import Path

import pytest

from plugin.snake.cedar.negotiation import Wish
from plugin.snake.language.genus import read_genus
from plugin.snake.language.macros import ConfigError, Line, parse
from plugin.snake.language.rules import Rules
from plugin.snake.language.table import parse_table

SEED = Path(__file__).parent.parent / "data" / "snake_seed" / "condor_config"


def table(*lines):
    """Read a table; give entries as words, and the complaints."""
    complaints = []
    found = parse_table(tuple(Line(text, n) for n, text in enumerate(lines, 1)), complaints)
    return [(e.number, e.level, e.function) for e in found.values()], complaints


def test_the_seeds_example_is_accepted_as_written():
    """Both genera of the seed are read; its typing slips are warnings."""
    macros = parse(SEED.read_text())
    oauth = read_genus("CREDMON_OAUTH", macros)
    vault = read_genus("CREDMON_VAULT", macros)
    for genus in (oauth, vault):
        functions = [entry.function for entry in genus.table.values()]
        assert functions == ["handleCommand", "handleScheddCommand"]
    assert oauth.debug == {"D_CATEGORY", "D_SUBSECOND"}
    assert vault.debug == {"D_UTC"}
    assert oauth.snake_path == (Path("lib/python3"), Path("etc/snake.d/CREDMON_OAUTH"))
    assert "slash missing" in "".join(vault.warnings)
    assert "credmon_ouauth" in "".join(oauth.warnings)


def test_macros_are_expanded_when_they_are_used():
    """Later definitions count for earlier uses; defaults, continuation lines, the environment."""
    macros = parse(
        "A = $(B)/x\nB = first\nB = second\nC = $(NONE:d)\nD = one \\\n  two\nE = $ENV(HOME)\n",
        {"HOME": "/h", "_CONDOR_F": "f"},
    )
    assert [macros.get(name) for name in "AcDEF"] == ["second/x", "d", "one two", "/h", "f"]
    assert macros.get("G", "fallback") == "fallback"
    assert macros.get("H") == ""


def test_an_undefined_macro_stands_for_nothing_with_a_warning():
    """As in HTCondor it is empty, and here that is said."""
    macros = parse("A = x$(NOWHERE)y\n")
    assert macros.get("A") == "xy"
    assert "NOWHERE" in macros.warnings[0]


def test_a_macro_that_needs_itself_is_refused():
    """It would never end."""
    with pytest.raises(ConfigError, match="refers to itself"):
        parse("A = $(B)\nB = $(A)\n").get("A")


def test_every_line_that_is_no_definition_is_named():
    """All of them at once, with their numbers."""
    with pytest.raises(ConfigError) as caught:
        parse("A = 1\nwhat is this\n\n# fine\nif true\nT @=end\nrow\n")
    lines = [text.split(":")[0] for text in caught.value.complaints]
    assert lines == ["line 2", "line 5", "line 6"]


def test_blanks_and_tabs_separate_and_comments_are_skipped():
    """One space and one space only is no longer so."""
    found, complaints = table(
        "QUERY_STARTD_ADS READ f", "", "  query_schedd_ads \t read   g  ", "# no"
    )
    assert found == [(5, "READ", "f"), (6, "READ", "g")]
    assert complaints == []


def test_every_bad_line_of_a_table_is_named_with_what_was_meant():
    """Wrong counts of words, unknown names, numbers, duplicates, and what is the daemon's own."""
    _, complaints = table(
        "QUERY_STARTD_ADS READ",
        "QUERY_STARD_ADS READ f",
        "5 READ f",
        "QUERY_STARTD_ADS REED f",
        "QUERY_STARTD_ADS READ f-g",
        "QUERY_STARTD_ADS READ f",
        "QUERY_STARTD_ADS READ g",
        "DC_NOP READ f",
    )
    assert [int(text.split(":")[0].split()[1]) for text in complaints] == [1, 2, 3, 4, 5, 7, 8]
    assert "QUERY_STARTD_ADS, perhaps?" in complaints[1]
    assert "line 6" in complaints[5]


def test_what_is_wrong_with_a_genus_is_told_at_once():
    """Path, polling, numbers, policy: every complaint, with the line of its knob."""
    text = (
        "G_SNAKE_POLLING = poll\nG_UPDATE_INTERVAL = often\nG_PORT = 70000\n"
        "G_SEC_ENCRYPTION = MAYBE\nG_SNAKE_CLASSAD2 = other\n"
    )
    with pytest.raises(ConfigError) as caught:
        read_genus("G", parse(text))
    told = "\n".join(caught.value.complaints)
    for knob in ("SNAKE_PATH", "POLLING", "INTERVAL", "PORT", "ENCRYPTION", "CLASSAD2"):
        assert knob in told
    with pytest.raises(ConfigError, match="no name"):
        read_genus("no name", parse(""))


def test_a_genus_has_defaults():
    """What nobody says has a value that hurts nobody."""
    genus = read_genus("G", parse("G_SNAKE_PATH = a:b\nSEC_DEFAULT_INTEGRITY = REQUIRED\n"))
    assert (genus.interface, genus.port, genus.update_interval) == ("127.0.0.1", 0, 300)
    policy = genus.policies.default
    assert (policy.integrity, policy.encryption) == (Wish.REQUIRED, Wish.OPTIONAL)
    assert (genus.table, genus.polling, genus.log_file) == ({}, None, None)


def rules(**knobs):
    """Make rules of knobs."""
    return Rules.read(lambda knob: tuple(knobs.get(knob, "").split()))


def test_without_rules_this_host_may_everything_and_others_read():
    """The default."""
    none = rules()
    assert all(none.admits(level, "u", "127.0.0.1") for level in ("READ", "ADMINISTRATOR"))
    assert none.admits("READ", "u", "192.0.2.1")
    assert not none.admits("WRITE", "u", "192.0.2.1")
    assert not none.admits("ADMINISTRATOR", "u", "2001:db8::1")


def test_rules_name_addresses_networks_and_users():
    """DENY goes first; a level is implied by a higher one; users have an @."""
    some = rules(
        ALLOW_WRITE="10.0.0.0/8 ann@host/*", DENY_READ="10.6.*", ALLOW_ADMINISTRATOR="127.0.0.1"
    )
    assert some.admits("READ", "x@y", "10.1.2.3")
    assert not some.admits("READ", "x@y", "10.6.0.1")
    assert some.admits("WRITE", "ann@host", "192.0.2.9")
    assert not some.admits("WRITE", "bob@host", "192.0.2.9")
    assert not some.admits("ADMINISTRATOR", "ann@host", "192.0.2.9")
    assert some.admits("WRITE", "bob@host", "127.0.0.1")


def test_a_rule_that_matches_nobody_is_not_silent():
    """Host names are not looked up: in a DENY they are refused, in an ALLOW a warning."""
    text = "G_SNAKE_PATH = p\nDENY_READ = bad.example.org, 10.*\n"
    with pytest.raises(ConfigError, match=r"DENY_READ: 'bad\.example\.org' is no IP address"):
        read_genus("G", parse(text))
    text = "G_SNAKE_PATH = p\nALLOW_READ = *.example.org */10.* ann@x/10.0.0.0/8 ::1 *\n"
    genus = read_genus("G", parse(text))
    (warning,) = [warning for warning in genus.warnings if "ALLOW_READ" in warning]
    assert "'*.example.org'" in warning
    assert genus.rules.allow["READ"].match("bob@x", "10.1.1.1") == "*/10.*"


def wishes(text, level):
    """Give a level's authentication, encryption and integrity, by their first letters."""
    policy = read_genus("G", parse(f"G_SNAKE_PATH = p\n{text}")).policies.of(level)
    three = (policy.authentication, policy.encryption, policy.integrity)
    return "".join(wish.value[0] for wish in three)


def test_a_level_has_a_policy_of_its_own():
    """Its knob goes before DEFAULT's, the genus's before all daemons', feature by feature."""
    text = (
        "SEC_DEFAULT_ENCRYPTION = PREFERRED\nSEC_WRITE_AUTHENTICATION = REQUIRED\n"
        "SEC_READ_ENCRYPTION = REQUIRED\nG_SEC_READ_ENCRYPTION = NEVER\n"
        "SEC_DAEMON_INTEGRITY = REQUIRED\n"
    )
    assert [wishes(text, level) for level in ("WRITE", "READ", "CONFIG")] == ["RPO", "ONO", "OPO"]
    assert [wishes(text, level) for level in ("ADVERTISE_STARTD", None)] == ["OPR", "OPO"]
    own = text + "ADVERTISE = 1\nSEC_ADVERTISE_STARTD_INTEGRITY = NEVER\nG_SEC_ENCRYPTION = NEVER"
    assert [wishes(own, level) for level in ("ADVERTISE_STARTD", "CONFIG")] == ["ONN", "ONO"]
    with pytest.raises(ConfigError) as caught:
        wishes("SEC_READ_ENCRYPTION = MAYBE\nSEC_DEFAULT_INTEGRITY = NO\n", None)
    told = [complaint.split(": '")[0] for complaint in caught.value.complaints]
    assert sorted(told) == ["line 2: SEC_READ_ENCRYPTION", "line 3: SEC_DEFAULT_INTEGRITY"]


UNREAD = (
    "SEC_DEFAULT_NEGOTIATION", "SEC_OWNER_ENCRYPTION", "G_SEC_READ_AUTHENTICATION_METHODS",
    "G.SEC_DEFAULT_ENCRYPTION", "allow_read_collector", "DENY_OWNER", "HOSTDENY_WRITE",
    "_CONDOR_SEC_DEFAULT_CRYPTO_METHODS",
)  # fmt: skip


@pytest.mark.parametrize("name", UNREAD)
def test_a_policy_that_nobody_reads_is_never_silent(name):
    """It is named with its line; what is read, or another genus's, is not."""
    read = "SEC_READ_ENCRYPTION = NEVER\nH_SEC_OTHER = 1\nDENY_WRITE = 10.*\nSECOND = 1\n"
    text = f"G_SNAKE_PATH = p\n{read}"
    if name.startswith("_CONDOR_"):
        macros, line = parse(text, {name: "1"}), 0
    else:
        macros, line = parse(f"{text}{name} = 1\n"), 6
    shown = name.removeprefix("_CONDOR_")
    warning = f"line {line}: {shown}: is not read here, and changes nothing"
    assert read_genus("G", macros).warnings == (warning,)


def test_updates_that_cannot_prove_who_sends_them_are_a_warning():
    """Where nothing is sent there is nothing to warn of."""
    text = "G_SNAKE_PATH = p\nSEC_CLIENT_AUTHENTICATION = REQUIRED\n"
    assert read_genus("G", parse(text)).warnings == ()
    (warning,) = read_genus("G", parse(text + "COLLECTOR_HOST = c\n")).warnings
    assert warning.startswith("line 2: SEC_CLIENT_AUTHENTICATION: updates go without proof")
