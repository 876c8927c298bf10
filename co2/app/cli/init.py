"""`co2 init`: a working directory with settings and a first plugin of the user's own."""

from __future__ import annotations

import shlex
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from co2.app.cli.failing import Failed

_PLUGIN_LIST = '# plugin_list = ["example", "sysinfo"]\n'
_WITH_HELLO = (
    '# The last one is your own, plugin/hello.\nplugin_list = ["example", "sysinfo", "hello"]\n'
)

_NEXT = """\
{folder} has settings (config.py) and a first plugin (plugin/hello/hello.py). Go on with

    cd {quoted}
    co2 satellite

and in another terminal, in the same folder:

    co2 call hello.hello.greet world
    co2 methods 'hello.*'
    co2 tail
"""


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Make a working directory: settings and a first plugin.

    Nothing that is there is overwritten.

    \b
    For example:
        co2 init lab
    """
    wanted = _contents()
    there = [name for name in wanted if (folder / name).exists()]
    if there:
        raise Failed(f"{folder} has {there[0]} already: nothing was written; name another folder")
    try:
        for name, text in wanted.items():
            _write(folder / name, text)
    except OSError as error:
        raise Failed(f"{error.filename}: {error.strerror}") from None
    click.echo(_NEXT.format(folder=folder, quoted=shlex.quote(str(folder))), nl=False)


def default_config() -> str:
    """Give the text of `config.py`: the repository's own one, which a wheel carries along."""
    packaged = files("co2.app") / "default_config.txt"
    return (packaged if packaged.is_file() else _in_checkout()).read_text("utf-8")


def _in_checkout() -> Traversable:
    return Path(__file__).parents[3] / "config.py"


def _contents() -> dict[str, str]:
    plugin = files("co2.app.cli.first_plugin")
    return {
        "config.py": default_config().replace(_PLUGIN_LIST, _PLUGIN_LIST + _WITH_HELLO),
        "plugin/hello/__init__.py": (plugin / "__init__.py").read_text("utf-8"),
        "plugin/hello/hello.py": (plugin / "hello.py").read_text("utf-8"),
    }


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as opened:
        opened.write(text)
