"""co2.loading.finder and .loader: from names to running plugins, and every way that goes wrong."""

from __future__ import annotations

import itertools
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from zope.interface.verify import verifyObject

from co2.interfaces import IProperties
from co2.loading.finder import GROUP, extend_plugin_path, find_packages
from co2.loading.loader import Loader
from co2.model.sent import Sent
from co2.testing.clock import ClockReactor

pytestmark = pytest.mark.usefixtures("logged_failures")

GOOD = """
from co2.api import Co2Plugin
class X_Lamp(Co2Plugin):
    colour = 'white'
"""
_numbers = itertools.count()


class Folder:
    """A working directory's `plugin/` folder, with names that no other test has imported."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sent: list = []

    def package(self, modules, init=None, **files):
        name = f"pack{next(_numbers)}"
        folder = self.path / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(
            f"__all__ = {list(modules)!r}\n" if init is None else init
        )
        for module, source in {**modules, **files}.items():
            (folder / f"{module}.py").write_text(source)
        return name

    def load(self, *names, entry_points=()):
        assert extend_plugin_path([self.path]) is None
        clock = ClockReactor()
        loader = Loader(
            find_packages([self.path], entry_points), self.send, clock, clock, lambda: 30.0
        )
        loader.load(names)
        return loader

    def send(self, message, **options):
        self.sent.append((message, options))
        return Sent("1")


@pytest.fixture
def folder(tmp_path):
    import plugin

    before = list(plugin.__path__)
    yield Folder(tmp_path / "plugin")
    plugin.__path__ = before
    for name in [name for name in sys.modules if name.startswith("plugin.pack")]:
        del sys.modules[name]


def failures(loader):
    return [(one.name, one.class_name, one.error) for one in loader.not_loaded if one.error]


def the_failure(loader, state="failed"):
    (one,) = [one for one in loader.not_loaded if one.state == state]
    return one


def test_listed_packages_are_loaded_in_their_order(folder):
    """A class whose name begins with X_ becomes a plugin, named by package and module."""
    first = folder.package({"one": GOOD, "two": GOOD})
    second = folder.package({"three": GOOD})
    loader = folder.load(second, first)
    assert [cell.name for cell in loader.cells] == [
        f"{second}.three.X_Lamp",
        f"{first}.one.X_Lamp",
        f"{first}.two.X_Lamp",
    ]
    assert loader.cells[0].plugin.name == f"{second}.three"
    assert failures(loader) == []


def test_what_is_there_and_not_listed_is_shown(folder):
    """Nothing is imported that nobody asked for."""
    name = folder.package({"one": "raise RuntimeError"})
    loader = folder.load()
    assert the_failure(loader, "not listed").name == name
    assert f"plugin.{name}" not in sys.modules


@pytest.mark.parametrize(
    ("modules", "init", "says"),
    [
        ({"one": "raise ValueError('broken')"}, None, "import raised ValueError: broken"),
        ({"one": "import sys; sys.exit(2)"}, None, "import raised SystemExit: 2"),
        ({"one": "def ("}, None, "import raised SyntaxError"),
        ({"one": GOOD + "    def __init__(self, v): 1 / 0"}, None, "__init__ raised ZeroDivision"),
        (
            {"one": GOOD + "    def __init__(self, v): raise SystemExit"},
            None,
            "__init__ raised Sys",
        ),
        ({"one": GOOD + "    def __init__(self, v): pass"}, None, "does not call plugin.Co2Plugin"),
        ({"one": GOOD + "    def __init__(self): pass"}, None, "__init__ raised TypeError"),
        ({"one": "class X_Odd: pass"}, None, "no subclass of plugin.Co2Plugin"),
        ({"one": "class Lamp: pass"}, None, "no class whose name begins with X_"),
        ({"one": GOOD}, "", "no __all__"),
        ({"one": GOOD}, "__all__ = 'one'", "no list"),
        ({"one": GOOD}, "__all__ = 5", "no list"),
        ({"one": GOOD}, "__all__ = ['one', 'absent']", "import raised ModuleNotFoundError"),
        ({"one": GOOD}, "raise ValueError('package')", "import raised ValueError: package"),
        (
            {"one": "class E(Exception):\n  def __str__(self): raise KeyError\nraise E"},
            None,
            "import raised E: (",
        ),
    ],
)
def test_what_goes_wrong_is_said_and_stops_nothing(folder, modules, init, says, logged_failures):
    """It is noted for `system.get_properties`, logged, and the next package is loaded."""
    bad, good = folder.package(modules, init), folder.package({"fine": GOOD})
    loader = folder.load(bad, good)
    assert loader.cells[-1].name == f"{good}.fine.X_Lamp"
    assert says in the_failure(loader).error
    assert the_failure(loader).name.startswith(bad)
    logged_failures.take()


def test_an_imported_class_is_not_the_modules_own(folder):
    """`from other import X_Lamp` makes no second plugin."""
    name = folder.package({"one": GOOD})
    (folder.path / name / "two.py").write_text(f"from plugin.{name}.one import X_Lamp\n")
    (folder.path / name / "__init__.py").write_text("__all__ = ['one', 'two']")
    loader = folder.load(name)
    assert [cell.name for cell in loader.cells] == [f"{name}.one.X_Lamp"]
    assert the_failure(loader).name == f"{name}.two"


@pytest.mark.parametrize("name", ["co2", "sys", "system", "relay", "web", "not-a-name", "absent"])
def test_names_that_cannot_be_loaded(folder, name):
    """Reserved ones, those that are no identifiers, and those that are not there."""
    loader = folder.load(name)
    assert loader.cells == []
    assert the_failure(loader).name == name


def test_a_name_that_is_listed_twice_is_loaded_once(folder):
    """The second mention changes nothing."""
    name = folder.package({"one": GOOD})
    assert len(folder.load(name, name).cells) == 1


def test_a_config_file_beside_the_module_is_read(folder):
    """Its variables become attributes; modules and private names do not."""
    name = folder.package({"one": GOOD}, one_config="import os\ncolour = 'red'\n_secret = 1\n")
    plugin = folder.load(name).cells[0].plugin
    assert plugin.colour == "red"
    assert not hasattr(plugin, "_secret")
    assert not hasattr(plugin, "os")


def test_a_broken_config_file_costs_its_plugin_only(folder, logged_failures):
    """The note says that it was the constructor, and why."""
    name = folder.package({"one": GOOD, "two": GOOD}, one_config="1 / 0")
    loader = folder.load(name)
    assert [cell.name for cell in loader.cells] == [f"{name}.two.X_Lamp"]
    assert "ZeroDivisionError" in the_failure(loader).error
    logged_failures.take(ZeroDivisionError)


def test_plugins_are_handed_what_the_seed_promises(folder):
    """Sending, logging, and their own name."""
    name = folder.package({"one": GOOD})
    plugin = folder.load(name).cells[0].plugin
    plugin.send({"data": 1}, topic="t")
    assert folder.sent == [({"data": 1}, {"topic": "t", "local": False, "retain": False})]
    plugin.log(plugin, "said")
    plugin.debug(plugin, "whispered")
    assert str(plugin) == f"{name}.one.X_Lamp"


def test_a_threaded_class_gets_a_thread(folder):
    """`threaded = True` is all that it takes."""
    name = folder.package({"one": GOOD + "    threaded = True"})
    loader = folder.load(name)
    assert loader.cells[0]._worker is not None
    loader.cells[0]._worker.stop()


def test_an_installed_package_comes_by_its_entry_point(folder, tmp_path, monkeypatch):
    """Its name on the wire is the entry point's; its config may lie in the user's own folder."""
    installed = tmp_path / "site"
    (installed / "lamp_vendor").mkdir(parents=True)
    (installed / "lamp_vendor" / "__init__.py").write_text("__all__ = ['one']")
    (installed / "lamp_vendor" / "one.py").write_text(GOOD)
    (folder.path / "packlamp").mkdir(parents=True)
    (folder.path / "packlamp" / "one_config.py").write_text("colour = 'blue'")
    monkeypatch.syspath_prepend(str(installed))
    point = EntryPoint("packlamp", "lamp_vendor", GROUP)
    loader = folder.load("packlamp", entry_points=[point])
    assert loader.cells[0].name == "packlamp.one.X_Lamp"
    assert loader.cells[0].plugin.colour == "blue"
    assert loader.owner("lamp_vendor.one") == "packlamp"
    del sys.modules["lamp_vendor"], sys.modules["lamp_vendor.one"]


def test_a_users_own_folder_goes_first(folder):
    """The first package found under a name counts."""
    name = folder.package({"one": GOOD})
    found = find_packages([folder.path], [EntryPoint(name, "elsewhere", GROUP)])
    assert found[name].module == f"plugin.{name}"
    assert find_packages([folder.path / "absent"], []) == {}


def test_a_file_that_hides_the_plugin_package_is_named(monkeypatch):
    """A working directory needs no plugin/__init__.py, and is told so."""
    import types

    hiding = types.ModuleType("plugin")
    hiding.__file__ = "plugin/__init__.py"
    monkeypatch.setitem(sys.modules, "plugin", hiding)
    assert "remove that file" in extend_plugin_path([])


def test_a_plugin_package_that_cannot_be_imported_is_no_end(monkeypatch, tmp_path):
    """The server runs on without plugins, and says why."""
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "__init__.py").write_text("raise ValueError('mine')")
    monkeypatch.delitem(sys.modules, "plugin", raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "ValueError: mine" in extend_plugin_path([])


def test_properties_tell_what_runs_and_what_does_not(folder, logged_failures):
    """One record for each, with the same keys."""
    name = folder.package({"one": GOOD, "two": "raise ValueError('x')"})
    loader = folder.load(name)
    verifyObject(IProperties, loader)
    records = loader.properties()["plugins"]
    assert [(one["name"], one["class"], one["state"]) for one in records] == [
        (f"{name}.one", "X_Lamp", "running"),
        (f"{name}.two", "", "failed"),
    ]
    assert {frozenset(one) for one in records} == {
        frozenset({"name", "class", "version", "state", "error"})
    }
    logged_failures.take(ValueError)
