"""HTCondor's own clients, unmodified and in processes of their own, against a real co2-snaked."""

import shutil
import signal
from pathlib import Path

import pytest
from witness import Snaked, client, needs_htcondor, verb

import plugin.snake
from plugin.snake.cedar.commands import NAMES

pytestmark = [pytest.mark.process, needs_htcondor]

SEED = Path(__file__).parent.parent / "data" / "snake_seed"
COLLECTOR = Path(plugin.snake.__file__).parent / "examples" / "collector"
SLOTS = [("slot1_1@snake-0000", 1000), ("slot1_2@snake-0000", 2000)]
WAYS = {
    "nothing configured": {},
    "raw": {"SEC_CLIENT_NEGOTIATION": "NEVER"},
    "encrypted": {"SEC_CLIENT_ENCRYPTION": "REQUIRED"},
    "integrity": {"SEC_CLIENT_INTEGRITY": "REQUIRED"},
    "authenticated": {"SEC_CLIENT_AUTHENTICATION": "REQUIRED"},
    "all three": {
        "SEC_CLIENT_ENCRYPTION": "REQUIRED",
        "SEC_CLIENT_INTEGRITY": "REQUIRED",
        "SEC_CLIENT_AUTHENTICATION": "REQUIRED",
    },
}


@pytest.fixture
def seed(tmp_path):
    """The seed's files, word for word, served; its log goes to the terminal."""
    shutil.copytree(SEED, tmp_path, dirs_exist_ok=True)
    with Snaked(tmp_path, "CREDMON_OAUTH", "log/.credmon_ouauth_address", "-t") as snaked:
        yield snaked


@pytest.fixture
def collector(tmp_path):
    """The toy collector."""
    shutil.copytree(COLLECTOR, tmp_path, dirs_exist_ok=True)
    with Snaked(tmp_path, "CHARMER", "log/.charmer_address") as snaked:
        yield snaked


def slots(ads):
    """Give the names and memories of slot ads."""
    return [(ad["Name"], ad["Memory"]) for ad in ads]


@pytest.mark.parametrize("way", WAYS)
def test_the_seeds_handler_answers_a_query(seed, way):
    """The seed's handlers give their slots, in a new session and in a resumed one."""
    answers = client(
        seed.address, ["query", "Startd"], ["query", "Startd"], ["query", "Schedd"], **WAYS[way]
    )
    assert [slots(answers[0]), slots(answers[1])] == [SLOTS, SLOTS]
    assert answers[2][0]["TotalRunningJobs"] == 800


def test_handlers_may_use_the_real_classad2(tmp_path):
    """The same handlers, word for word, with HTCondor's library in the daemon."""
    shutil.copytree(SEED, tmp_path, dirs_exist_ok=True)
    with (tmp_path / "condor_config").open("a") as config:
        config.write("\nCREDMON_OAUTH_SNAKE_CLASSAD2 = real\n")
    with Snaked(tmp_path, "CREDMON_OAUTH", "log/.credmon_ouauth_address", "-t") as snaked:
        assert slots(*client(snaked.address, ["query", "Startd"])) == SLOTS


@pytest.mark.parametrize(
    ("feature", "server", "wishes", "answer"),
    [
        ("ENCRYPTION", "NEVER", {}, "CMD_NOT_FOUND"),
        ("ENCRYPTION", "NEVER", {"ENCRYPTION": "REQUIRED"}, "Encryption: the client requires it"),
        ("INTEGRITY", "REQUIRED", {"INTEGRITY": "NEVER"}, "Integrity: the server requires it"),
        ("AUTHENTICATION", "REQUIRED", {"AUTHENTICATION_METHODS": "SSL"}, "by SSL, the server by"),
        ("ENCRYPTION", "OPTIONAL", {"ENCRYPTION": "REQUIRED", "CRYPTO_METHODS": "3DES"}, "no AES"),
        ("ENCRYPTION", "PREFERRED", {"CRYPTO_METHODS": "BLOWFISH,3DES"}, "CMD_NOT_FOUND"),
        ("AUTHENTICATION", "PREFERRED", {"AUTHENTICATION_METHODS": "SSL"}, "CMD_NOT_FOUND"),
    ],
)
def test_a_client_is_shown_why_it_is_refused(tmp_path, feature, server, wishes, answer):
    """Whoever cannot agree reads the reason; whoever can, gets as far as the command."""
    shutil.copytree(SEED, tmp_path, dirs_exist_ok=True)
    with (tmp_path / "condor_config").open("a") as config:
        config.write(f"\nSEC_DEFAULT_{feature} = {server}\n")
    knobs = {f"SEC_DEFAULT_{name}": wish for name, wish in wishes.items()}
    with Snaked(tmp_path, "CREDMON_OAUTH", "log/.credmon_ouauth_address", "-t") as snaked:
        ((_, kind, said),) = client(snaked.address, ["jobs"], **knobs)
    assert (kind, answer in said) == ("HTCondorException", True), said


def test_every_command_has_the_number_that_the_bindings_give_it(seed):
    """The table of names and numbers is HTCondor's."""
    names = sorted(NAMES.values())
    (numbers,) = client(seed.address, ["numbers", names])
    assert dict(zip(names, numbers, strict=True)) == {name: n for n, name in NAMES.items()}


def test_ping_says_what_would_pass(seed):
    """`ping` is answered, before and after a query of the same process."""
    requests = (["ping", "READ"], ["query", "Startd"], ["ping", "ADMINISTRATOR"])
    before, _, after = client(seed.address, *requests)
    assert (before[0], after[0]) == (True, True)


def test_a_level_may_require_encryption_of_real_clients(tmp_path):
    """A session in clear, of a level that may be, does not do for one that requires encryption."""
    shutil.copytree(SEED, tmp_path, dirs_exist_ok=True)
    with (tmp_path / "condor_config").open("a") as config:
        config.write("\nSEC_READ_ENCRYPTION = REQUIRED\n")
    requests = (["ping", "ADMINISTRATOR"], ["query", "Startd"], ["ping", "READ"])
    with Snaked(tmp_path, "CREDMON_OAUTH", "log/.credmon_ouauth_address", "-t") as snaked:
        other, ads, read = client(snaked.address, *requests)
    assert (other[2], slots(ads), read[2]) == ("NO", SLOTS, "YES")


def test_an_authenticated_client_is_known_by_name(seed):
    """Who proves by a directory who they are, is told so."""
    ((passes, user, encrypted),) = client(seed.address, ["ping", "READ"], **WAYS["all three"])
    assert passes and encrypted == "YES" and "@" in user
    assert user != "unauthenticated@unmapped"


def test_the_verb_ep_status_shows_the_slots(seed):
    """The real `htcondor ep status` prints the slots that Python made up."""
    printed = verb(seed.address, "ep", "status", "snake-0000")
    assert "slot1_1@snake-0000" in printed
    assert "2000 MB" in printed


@pytest.mark.parametrize("by", ["command", "signal"])
def test_an_edited_handler_is_served_after_a_reconfiguration(seed, by):
    """The seed's demo: edit the handler, reconfigure, query again, be amazed."""
    code = seed.directory / "etc/snake.d/CREDMON_OAUTH/snake/__init__.py"
    assert slots(*client(seed.address, ["query", "Startd"])) == SLOTS
    code.write_text(code.read_text().replace("= 1000", "= 1001").replace("= 2000", "= 2002"))
    if by == "command":
        assert client(seed.address, ["reconfigure"]) == [None]
    else:
        seed.process.send_signal(signal.SIGHUP)
    seed.wait_for("reconfigured")
    assert [memory for _, memory in slots(*client(seed.address, ["query", "Startd"]))] == [
        1001,
        2002,
    ]


def test_bad_code_does_not_replace_good_code(seed):
    """After an edit that does not compile, the old answer is still given."""
    code = seed.directory / "etc/snake.d/CREDMON_OAUTH/snake/__init__.py"
    code.write_text(code.read_text() + "\ndef broken(:\n")
    client(seed.address, ["reconfigure"])
    assert "SyntaxError" in seed.wait_for("SyntaxError")
    assert slots(*client(seed.address, ["query", "Startd"])) == SLOTS


def test_a_handler_that_raises_ends_one_client_only(seed):
    """The client of a handler that raises fails at once; the next one is served."""
    code = seed.directory / "etc/snake.d/CREDMON_OAUTH/snake/__init__.py"
    code.write_text(code.read_text().replace('# raise ValueError("yuck!")', "raise ValueError(1)"))
    client(seed.address, ["reconfigure"])
    seed.wait_for("reconfigured")
    startd, schedd = client(seed.address, ["query", "Startd"], ["query", "Schedd"])
    assert startd[:2] == ["raised", "HTCondorException"]
    assert schedd[0]["Name"] == "azaphrael.org"


def test_several_ads_on_one_connection_all_arrive(collector):
    """`advertise` of four ads leaves four ads, found by constraint and by projection."""
    ads = [f'[MyType = "Machine"; Name = "s{n}"; Memory = {n} * 1024; N = {n}]' for n in range(4)]
    requests = (
        ["advertise", ads, "UPDATE_STARTD_AD"],
        ["query_until", 4, "Startd"],
        ["query", "Any", "Memory > 1024 && N < 3", ["Name", "N"]],
        ["query", "Schedd"],
    )
    _, every, some, none = client(collector.address, *requests)
    assert sorted(ad["Name"] for ad in every) == ["s0", "s1", "s2", "s3"]
    assert some == [{"Name": "s2", "N": 2}]
    assert none == []


VALUES = {
    "I": ("4611686018427387904", 2**62),
    "Negative": ("-9223372036854775808", -(2**63)),
    "R": ("0.1", 0.1),
    "Large": ("1.0e300", 1e300),
    "T": ("true", True),
    "U": ("undefined", {"value": "Undefined"}),
    "E": ("error", {"value": "Error"}),
    "S": ('"a \\"quoted\\" one"', 'a "quoted" one'),
    "B": ('"back\\\\slash and \\\\"', "back\\slash and \\"),
    "N": ('"line\\nfeed\\ttab"', "line\nfeed\ttab"),
    "Unicode": ('"caf\u00e9 \u4f60\u597d"', "caf\u00e9 \u4f60\u597d"),
    "L": ('{1, "two", {3.5}, undefined}', [1, "two", [3.5], {"value": "Undefined"}]),
    "A": ("[x = 1; y = [z = {}]]", {"ad": {"x": 1, "y": {"ad": {"z": []}}}}),
    "X": ('Memory > 5 && Arch == "X86_64"', {"expression": 'Memory > 5 && Arch == "X86_64"'}),
    "Long": ('"' + "x" * 700_000 + '"', "x" * 700_000),
}


@pytest.mark.parametrize("way", ["nothing configured", "raw", "encrypted"])
def test_every_kind_of_value_goes_there_and_back(collector, way):
    """What a real client sends and gets back from Python is what it sent."""
    inside = "; ".join(f"{name} = {text}" for name, (text, _) in VALUES.items())
    ad = f'[MyType = "Thing"; Name = "all"; {inside}]'
    (_, (found,)) = client(
        collector.address,
        ["advertise", [ad], "UPDATE_AD_GENERIC"],
        ["query_until", 1, "Any"],
        **WAYS[way],
    )
    for name, (_, wanted) in VALUES.items():
        assert found[name] == wanted, name


def test_the_daemons_own_ad_reaches_a_collector(collector, tmp_path_factory):
    """`updateDaemonAd` adds to the ad, and cannot change what the daemon knows better."""
    home = tmp_path_factory.mktemp("genus")
    (home / "snake").mkdir()
    (home / "snake/__init__.py").write_text(
        "def updateDaemonAd(ad):\n"
        "    ad['Mood'] = 'fine'\n    ad['MyType'] = 'Liar'\n    return ad\n"
    )
    (home / "condor_config").write_text(
        f"MOCK_SNAKE_PATH = .\nMOCK_DEBUG = D_FULLDEBUG\nCOLLECTOR_HOST = {collector.address}\n"
    )
    with Snaked(home, "MOCK", "none") as mock:
        mock.wait_for("sent an update")
        collector.wait_for("UPDATE_AD_GENERIC")
        ((ad,),) = client(collector.address, ["query_until", 1, "Any"])
    assert (ad["MyType"], ad["Mood"], ad["MyAddress"]) == ("MOCK", "fine", mock.address)
