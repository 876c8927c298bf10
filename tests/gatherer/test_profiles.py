"""Profiles, sos's extras, policy, and what travels of them."""

from __future__ import annotations

import pytest

from plugin.gatherer.protocol.reports import Began, Finished, Outcome, Records
from plugin.gatherer.protocol.travelling import NoReport, from_struct
from plugin.gatherer.protocol.travelling import as_struct as report_struct
from plugin.gatherer.wanted.extras import as_toml, read_extras
from plugin.gatherer.wanted.policy import Policy
from plugin.gatherer.wanted.profiles import (
    Paths,
    Profile,
    ProfileError,
    Run,
    as_struct,
    available,
    in_order,
    load,
    profile_of,
    read_profile,
    size,
)

EXTRAS = """# a comment
uname -a
cat /proc/x | head -3

:/var/log/app/*.log 50
:/var/log/app/*.log 10
:/etc/app
:/etc/big 0
:relative/path
:/etc/odd many
"""


@pytest.mark.parametrize("name", sorted(available()))
def test_every_shipped_profile_reads(name):
    """The profiles that come with the gatherer have no mistakes, and say what they are."""
    [profile] = load([name])
    assert profile.wanted and profile.description


@pytest.mark.parametrize(
    ("text", "count"),
    [(5, 5), ("5", 5), ("25 MiB", 25 << 20), ("1.5 KiB", 1536), ("2GB", 2 * 10**9)],
)
def test_sizes(text, count):
    """A size is a number of bytes, or has a unit."""
    assert size(text) == count


@pytest.mark.parametrize("text", ["", "many", "5 parsecs", -1, True, None])
def test_no_sizes(text):
    """Anything else is refused with an example of what would do."""
    with pytest.raises(ValueError, match="25 MiB"):
        size(text)


def test_every_mistake_is_told_at_once():
    """A profile with three mistakes names all three, with their places."""
    text = (
        'frobs = 1\n[[paths]]\npattern = "relative"\n[[paths]]\n[[commands]]\nrun = "a"\nlimt = 3\n'
    )
    with pytest.raises(ProfileError) as caught:
        read_profile("mine", text)
    for words in ("frobs", "paths 1", "begin with /", "paths 2", "commands 1", "limt"):
        assert words in str(caught.value)


def test_people_add_profiles(tmp_path):
    """A file in a folder of one's own is found by its name, and by its path."""
    (tmp_path / "mine.toml").write_text('[[commands]]\nrun = "true"\n')
    assert load(["mine"], [tmp_path])[0].name == "mine"
    assert load([str(tmp_path / "mine.toml")])[0].wanted[0].label == "true"
    with pytest.raises(ProfileError, match=r"there are: .*system"):
        load(["nonesuch"])


def test_order_and_names():
    """Things come once, files first, slow things last, and outputs get names of their own."""
    one = Profile("a", (Run("sleep 1", slow=True), Run("ls /"), Paths("/etc/x")))
    two = Profile("b", (Paths("/etc/x"), Run("ls  /", name="ls /")))
    ordered = in_order([one, two])
    assert [wanted.label for wanted in ordered] == ["/etc/x", "ls /", "ls  /", "sleep 1"]
    names = [wanted.file for wanted in ordered if isinstance(wanted, Run)]
    assert len(set(names)) == 3


def test_profiles_travel():
    """A profile sent to a host is the profile that was read."""
    for profile in load(sorted(available())):
        back = profile_of(profile.name, as_struct(profile))
        assert set(back.wanted) == set(profile.wanted)


def test_extras_of_sos():
    """Lists of sos become a profile; what cannot be read is told with its line."""
    imported = read_extras("mine", EXTRAS)
    wanted = {one.label: one for one in imported.profile.wanted}
    assert wanted["/var/log/app/*.log"].limit == 50 << 20
    assert wanted["/etc/big"].limit == 0
    assert isinstance(wanted["cat /proc/x | head -3"], Run)
    assert [one.split(":")[0] for one in imported.complaints] == ["line 9", "line 10"]
    assert "/etc/odd" in wanted
    again = read_profile("mine", as_toml(imported.profile))
    assert set(again.wanted) == set(imported.profile.wanted)


POLICY = Policy(paths=("/var/log*", "/etc*"), never=("/etc/shadow",), commands=("uname*",), most=10)


@pytest.mark.parametrize(
    ("wanted", "allowed"),
    [
        (Paths("/var/log/x"), True),
        (Paths("/etc/../root/x"), False),
        (Paths("/root"), False),
        (Run("uname -a"), True),
        (Run("rm -rf /"), False),
    ],
)
def test_policy(wanted, allowed):
    """A host refuses what its rules do not allow, and limits the rest."""
    judged, why = POLICY.judge(wanted)
    assert (not why) is allowed
    if allowed:
        assert judged.limit == 10
        if isinstance(judged, Paths):
            assert "/etc/shadow" in judged.exclude


def test_policy_of_profiles_only():
    """A host that gathers only what its profiles list refuses anything else."""
    policy, known = Policy(only_profiles=True), [Paths("/etc/hosts")]
    assert policy.judge(Paths("/etc/hosts", limit=1), known)[1] == ""
    assert policy.judge(Paths("/etc/host*"), known)[1]
    assert policy.judge(Run("/etc/hosts"), known)[1]


@pytest.mark.parametrize(
    "report",
    [Began(0, "x"), Records(b"\x00"), Finished(0, Outcome.LOST, 4, "why", 1.5)],
)
def test_reports_travel(report):
    """A report that came through the network is the report that was made."""
    assert from_struct(report_struct(report), 1) == report


@pytest.mark.parametrize(
    "struct", [None, {}, {"event": "x"}, {"event": "began", "index": 5, "label": ""}, {"event": 1}]
)
def test_no_reports(struct):
    """What is no report is refused, an index beside the list too."""
    with pytest.raises(NoReport):
        from_struct(struct, 1)
