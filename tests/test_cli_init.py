"""`co2 init`: what it writes, what it leaves alone, and that it runs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from cli_room import Lab, co2

from co2.app.cli.init import default_config
from co2.app.settings import read_settings

REPOSITORY = Path(__file__).parents[1]


def test_it_writes_settings_and_a_plugin(tmp_path: Path):
    """No `plugin/__init__.py`, which would hide co2's own package; and it says what to do next."""
    folder = tmp_path / "my lab"
    result = co2("init", str(folder))
    assert result.exit_code == 0
    written = {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}
    assert written == {"config.py", "plugin/hello/__init__.py", "plugin/hello/hello.py"}
    assert f"cd '{folder}'\n    co2 satellite\n" in result.stdout


def test_the_settings_are_the_defaults_with_the_plugin_added(tmp_path: Path):
    """What is written can be read, and differs from the defaults by the plugin only."""
    co2("init", str(tmp_path))
    settings = read_settings("satellite", tmp_path / "config.py", {})
    defaults = read_settings("satellite", None, {"state_dir": settings.state_dir})
    assert settings.plugin_list == (*defaults.plugin_list, "hello")
    assert settings.plugin_dirs == (tmp_path / "plugin",)
    changes = {"plugin_list": defaults.plugin_list, "plugin_dirs": defaults.plugin_dirs}
    assert settings.evolve(**changes) == defaults
    added = ("# The last one is your own", "plugin_list =")
    lines = (tmp_path / "config.py").read_text().splitlines()
    assert [one for one in lines if not one.startswith(added)] == default_config().splitlines()


def test_the_wheel_carries_the_one_config():
    """The build puts the repository's config.py where `default_config` looks for it."""
    build = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    carried = build["targets"]["wheel"]["force-include"]
    assert carried == {"config.py": "co2/app/default_config.txt"}
    assert default_config() == (REPOSITORY / "config.py").read_text()


@pytest.mark.parametrize("name", ["config.py", "plugin/hello/hello.py"])
def test_nothing_is_overwritten(tmp_path: Path, name: str):
    """If one of the files is there, none is written."""
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("mine")
    result = co2("init", str(tmp_path))
    assert result.exit_code == 1
    assert f"has {name} already: nothing was written" in result.stderr
    assert [one for one in tmp_path.rglob("*") if one.is_file()] == [tmp_path / name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path):
    """A file in the way is an error with its reason, not a traceback."""
    (tmp_path / "file").write_text("")
    result = co2("init", str(tmp_path / "file" / "lab"))
    assert result.exit_code == 1
    assert "Not a directory" in result.stderr


@pytest.mark.process
def test_the_first_plugin_works(lab: Lab):
    """What `co2 init` wrote is loaded, and answers at each of its levels."""
    assert (
        lab.ok("call", "hello.hello.greet", "name=world", "times=2")
        == "hello, world! hello, world!\n"
    )
