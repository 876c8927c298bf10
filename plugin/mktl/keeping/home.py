"""Where mKTL keeps its files: `$MKTL_HOME`, or `~/.mKTL`, in the layout that all generations share.

    client/cache/<store>/<uuid>.json      blocks that clients have seen
    client/registries                     addresses of registries, written by people
    client/registries.cache               addresses of registries that have answered
    daemon/store/<store>/<alias>.json     configurations; .uuid beside them
    daemon/port/<store>/<uuid>.<what>     ports that were used last
    daemon/persist/<uuid>.sqlite          persistent values
    registry/<uuid>.json                  what a registry knows

Every file is written beside its place and moved there, so that nobody reads half of one.
"""

from __future__ import annotations

import json
import os
import tempfile
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from plugin.mktl.values.description import ConfigurationRefused
from plugin.mktl.wire.catalog import Block, check_block

_chosen: Path | None = None


def home(path: str | os.PathLike[str] | None = None) -> Path:
    """Give the base directory, or choose another for this process."""
    global _chosen  # noqa: PLW0603  # one a process, as its users expect
    if path is not None:
        _chosen = Path(path)
    if _chosen is not None:
        return _chosen
    return Path(os.environ.get("MKTL_HOME") or Path.home() / ".mKTL")


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there wholly or not at all, and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load_cached_blocks(base: Path, store: str) -> list[Block]:
    """Give the blocks of a store that clients of this home have seen; broken files are passed."""
    return _load_blocks((base / "client" / "cache" / store).glob("*.json"))


def save_cached_block(base: Path, block: Block) -> None:
    """Keep a block for later clients; a home that cannot be written is no error."""
    path = base / "client" / "cache" / block["store"] / f"{block['uuid']}.json"
    try:
        write_whole(path, json.dumps(block))
    except OSError:
        return


def forget_cached_block(base: Path, block: Block) -> None:
    """Remove a block that its daemon no longer has."""
    path = base / "client" / "cache" / block["store"] / f"{block['uuid']}.json"
    path.unlink(missing_ok=True)


def load_registry(base: Path, name: str) -> list[Block]:
    """Give what a registry knew when it wrote last."""
    return _load_blocks((base / "registry" / name).glob("*.json"))


def save_registry(base: Path, name: str, block: Block) -> None:
    """Keep what a registry was told."""
    write_whole(base / "registry" / name / f"{block['uuid']}.json", json.dumps(block))


def forget_registry(base: Path, name: str, uuid: str) -> None:
    """Remove what a registry no longer believes."""
    (base / "registry" / name / f"{uuid}.json").unlink(missing_ok=True)


def _load_blocks(paths: Iterable[Path]) -> list[Block]:
    found = []
    for path in sorted(paths):
        try:
            found.append(check_block(json.loads(path.read_text())))
        except (OSError, ValueError):
            continue
    return found


def load_configuration(base: Path, store: str, alias: str) -> dict[str, Any] | None:
    """Give the items of a daemon's configuration file, or None if there is none.

    Raises:
        ConfigurationRefused: it is no JSON.
    """
    path = base / "daemon" / "store" / store / f"{alias}.json"
    return read_configuration(path) if path.exists() else None


def read_configuration(path: Path) -> dict[str, Any]:
    """Read a configuration file.

    Raises:
        ConfigurationRefused: it cannot be read, or is no JSON object.
    """
    try:
        items = json.loads(path.read_text())
    except OSError as error:
        raise ConfigurationRefused(path.name, [f"it cannot be read: {error.strerror}"]) from None
    except ValueError as error:
        raise ConfigurationRefused(path.name, [f"it is no JSON: {error}"]) from None
    if not isinstance(items, dict):
        raise ConfigurationRefused(path.name, ["it is no object of keys and descriptions"])
    return items


def save_configuration(base: Path, store: str, alias: str, items: dict[str, Any]) -> None:
    """Let a configuration supplant the one of that alias."""
    path = base / "daemon" / "store" / store / f"{alias}.json"
    write_whole(path, json.dumps(items, indent=2))


def daemon_uuid(base: Path, store: str, alias: str) -> str:
    """Give the daemon's uuid, drawn the first time it is asked for."""
    path = base / "daemon" / "store" / store / f"{alias}.uuid"
    try:
        kept = path.read_text().strip()
        if kept:
            return kept
    except OSError:
        pass
    drawn = str(uuid.uuid4())
    write_whole(path, drawn + "\n")
    return drawn


def last_port(base: Path, store: str, uuid: str, what: str) -> int | None:
    """Give the port that a daemon used last for 'req', 'pub', 'old-req' or 'old-pub'."""
    try:
        return int((base / "daemon" / "port" / store / f"{uuid}.{what}").read_text())
    except (OSError, ValueError):
        return None


def remember_port(base: Path, store: str, uuid: str, what: str, port: int) -> None:
    """Keep the port for the next start."""
    write_whole(base / "daemon" / "port" / store / f"{uuid}.{what}", f"{port}\n")


def others_ports(base: Path, uuid: str) -> set[int]:
    """Give the ports that other daemons of this home remember."""
    found = set()
    for path in (base / "daemon" / "port").glob("*/*"):
        if not path.name.startswith(uuid):
            try:
                found.add(int(path.read_text()))
            except (OSError, ValueError):
                continue
    return found


def listed_registries(base: Path) -> list[str]:
    """Give the addresses in `registries` and `registries.cache`."""
    found: list[str] = []
    for name in ("registries", "registries.cache"):
        try:
            lines = (base / "client" / name).read_text().splitlines()
        except OSError:
            continue
        found += [word for line in lines for word in line.split("#")[0].split()]
    return list(dict.fromkeys(found))
