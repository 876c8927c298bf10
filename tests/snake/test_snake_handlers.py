"""`handlers.imports` and `handlers.formats`: private modules, and the real classad2's objects."""

import sys

import pytest
from witness import INSTALLED

from plugin.snake.cedar.values import MessageReader, MessageWriter
from plugin.snake.classads import face
from plugin.snake.handlers import formats
from plugin.snake.handlers.imports import CodeError, PrivateImports, is_handler
from plugin.snake.handlers.sentinel import end_of_message


@pytest.fixture
def package(tmp_path):
    """Write files of a package `snake`, and load it."""

    def load(files, **options):
        (tmp_path / "snake").mkdir(exist_ok=True)
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        return PrivateImports((tmp_path,), **options).load()

    return load


def test_modules_import_each_other_in_every_way(package):
    """Absolute, relative, dotted and starred imports, and modules beside `snake`."""
    module = package(
        {
            "snake/__init__.py": "from . import one\nfrom .one import A\nfrom snake import two\n"
            "import snake.two as again\nimport beside\nfrom beside import *\nimport json.decoder\n"
            "TOTAL = one.A + two.B + again.B + beside.C + C\n",
            "snake/one.py": "from snake import end_of_message\nA = 1\n",
            "snake/two.py": "from .one import A\nimport snake.one\nB = A + snake.one.A\n",
            "beside.py": "C = 10\n",
        }
    )
    assert module.TOTAL == 25
    assert module.end_of_message is end_of_message
    assert "beside" not in sys.modules
    assert "snake" not in sys.modules


@pytest.mark.parametrize("line", ["import snake.none", "from . import none", "from .none import x"])
def test_what_a_private_package_lacks_is_not_looked_for_elsewhere(package, line):
    """It fails as any import does; the daemon's own modules are not asked."""
    with pytest.raises(CodeError, match=r"ModuleNotFoundError|ImportError"):
        package({"snake/__init__.py": line + "\n"})


def test_an_edit_within_the_same_second_is_seen(package):
    """Sources are compiled afresh; no cached file is trusted."""
    assert package({"snake/__init__.py": "X = 1\n"}).X == 1
    assert package({"snake/__init__.py": "X = 2\n"}).X == 2


def test_a_failing_import_says_where(package, tmp_path):
    """The complaint names the error; its cause has the traceback; nothing is left behind."""
    with pytest.raises(CodeError, match="ZeroDivisionError") as caught:
        package({"snake/__init__.py": "1 / 0\n"})
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(CodeError, match="no module snake"):
        PrivateImports((tmp_path / "nowhere",)).load()


def test_classad2_is_ours_unless_the_real_one_is_asked_for(package):
    """`import classad2` in a handler never loads the binary library by itself."""
    files = {"snake/__init__.py": "import classad2\nfrom classad2 import ClassAd\n"}
    assert package(files).ClassAd is face.ClassAd
    assert "classad2" not in sys.modules


def test_what_is_a_handler():
    """Generator functions, also behind a decorator that says what it wraps."""
    import functools

    def generator(command):
        yield

    @functools.wraps(generator)
    def wrapped(command):
        return generator(command)

    assert is_handler(generator)
    assert is_handler(wrapped)
    assert not is_handler(lambda command: command)
    assert not is_handler(None)


REAL = """
import classad2
from plugin.snake.cedar.values import MessageReader, MessageWriter
from plugin.snake.classads.convert import is_foreign
from plugin.snake.handlers import formats

ad = classad2.ClassAd('[a = 1; s = "x\\\\ny"; e = a + 1; l = {1, [z = 2]}; u = undefined]')
writer = MessageWriter()
formats.write(ad, writer)
data = writer.take()
for wanted in (classad2.ClassAd(), classad2.ClassAd):
    found = formats.read(wanted, MessageReader(data))
    assert type(found) is classad2.ClassAd, type(found)
    assert found == ad, (found, ad)
from plugin.snake.classads.face import ClassAd
mixed = ClassAd({"ad": ad, "tree": ad.lookup("e"), "v": classad2.Value.Error})
assert repr(mixed["tree"]) == "a + 1" and mixed["ad"]["s"] == "x\\ny", mixed
assert mixed["v"] is not None and is_foreign(ad)
"""


@pytest.mark.process
@pytest.mark.skipif(not INSTALLED, reason="PyPI's `htcondor` is not installed")
def test_objects_of_the_real_classad2_are_taken_and_given():
    """A handler that uses the real one sends its ads, and gets such ads for such formats."""
    import subprocess
    from pathlib import Path

    root = str(Path(__file__).parent.parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", REAL], check=False, capture_output=True, text=True, timeout=60,
        env={"CONDOR_CONFIG": "/dev/null", "PYTHONPATH": root},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_formats_are_examples_or_types():
    """The two ask for the same; anything else is refused."""
    for wanted in (7, int):
        assert formats.read(wanted, MessageReader(bytes(7) + b"\x05")) == 5
    with pytest.raises(TypeError, match="no format"):
        formats.read(object(), MessageReader(b""))


def test_subclasses_travel_as_what_they_are():
    """An IntEnum is an int, a str of one's own a str."""
    import enum

    class Number(enum.IntEnum):
        TWO = 2

    class Text(str):
        __slots__ = ()

    writer = MessageWriter()
    formats.write(Number.TWO, writer)
    formats.write(Text("x"), writer)
    assert writer.take() == bytes(7) + b"\x02x\0"
