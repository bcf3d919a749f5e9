"""Files: write aside and rename, locks, hashes, configurations by name; the Dask client.

Examples:
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> with write_aside(folder / "note.txt") as part:
    ...     _ = part.write_text("whole")
    >>> (folder / "note.txt").read_text()
    'whole'
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pyg_jets.errors import (
    FolderInUseError,
    InputError,
    MissingExtraError,
    MissingFileError,
    UnreachableError,
    did_you_mean,
)

__all__ = [
    "claim_folder",
    "config_name",
    "config_names",
    "config_path",
    "content_hash",
    "dask_client",
    "data_path",
    "is_config_text",
    "load_yaml",
    "locked",
    "read_config",
    "read_json",
    "remove_unfinished",
    "require",
    "write_aside",
    "write_json",
]


@contextmanager
def write_aside(path: str | Path) -> Iterator[Path]:
    """Give a path beside ``path`` to write to, and rename it into place when the block ends well.

    Either a file or a folder may be written. After an error, or a kill at any moment, ``path`` is
    what it was before.

    Args:
        path: Where the finished file or folder shall be.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    part = aside / path.name
    try:
        yield part
        for written in (part, *part.rglob("*")) if part.is_dir() else (part,):
            _sync(written)
        os.replace(part, path)
        _sync(path.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def remove_unfinished(folder: str | Path) -> None:
    """Remove what :func:`write_aside` left in a folder when its process was killed.

    Call it only where no other process writes into the folder.

    Args:
        folder: The folder; those in it are left alone.
    """
    for path in Path(folder).glob(".*.????????"):  # as mkdtemp names them
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: str | Path, wait: bool = True) -> Iterator[bool]:
    """Hold a lock on ``path`` between processes: one works, the others wait.

    The lock goes with the process that holds it, however that ends.

    Args:
        path: The file or folder that the lock guards; ``.{name}.lock`` is made beside it.
        wait: Whether to wait for the lock. If not, the block gets ``False`` where another has it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.parent / f".{path.name}.lock")
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def content_hash(*parts: Any, digits: int = 12) -> str:
    """Return a short hexadecimal SHA-256 of paths (their bytes) and plain values (their JSON).

    Args:
        parts: ``Path`` objects are hashed by content, all else by its sorted JSON text.
        digits: How many hexadecimal digits to keep.

    Examples:
        >>> content_hash({"pt": (500, 600)}) == content_hash({"pt": [500, 600]})
        True
    """
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, Path):
            with part.open("rb") as stream:
                total.update(hashlib.file_digest(stream, "sha256").digest())
        else:
            text = json.dumps(part, sort_keys=True, default=str)
            total.update(hashlib.sha256(text.encode()).digest())
    return total.hexdigest()[:digits]


def write_json(path: str | Path, value: Any) -> None:
    """Write ``value`` as indented JSON; the file appears whole.

    Args:
        path: The file; one that is there is replaced.
        value: Plain values.
    """
    with write_aside(path) as part:
        part.write_text(json.dumps(value, indent=2) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not JSON.
    """
    try:
        return json.loads(Path(path).read_text())
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(
            f"{path} is not a JSON file ({error}): remove it, or give another folder."
        ) from None


#: Values in a YAML file, counted as often as aliases repeat them: more than any of ours has.
_MOST_VALUES = 1_000_000


def load_yaml(text: str | bytes, name: str | Path) -> Any:
    """Read plain values of YAML; tags that make objects are refused, and so are alias bombs.

    Args:
        text: The YAML text.
        name: What a message calls it, such as its path.

    Raises:
        InputError: If it is not YAML, holds a tag of Python, or expands without end.

    Examples:
        >>> load_yaml("{pt: [500, 600]}", "window.yaml")
        {'pt': [500, 600]}
    """
    import yaml

    try:
        values = yaml.safe_load(text)
        count = _count_values(values, {})
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{name} is not YAML of plain values ({reason}): mend it.") from None
    if count > _MOST_VALUES:
        raise InputError(
            f"{name} holds aliases of aliases that expand to more than {_MOST_VALUES:,} values: "
            "write them out."
        )
    return values


def _count_values(value: Any, counts: dict[int, int]) -> int:
    """The number of values inside, those behind an alias each time that it occurs."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in counts:
        counts[id(value)] = _MOST_VALUES + 1  # for an alias of itself
        inner = value.values() if isinstance(value, dict) else value
        counts[id(value)] = 1 + sum(_count_values(each, counts) for each in inner)
    return counts[id(value)]


#: The folders of the package whose YAML files have names.
_CONFIG_FOLDERS = tuple(Path(__file__).parent / name for name in ("configs", "studies"))


def config_names() -> dict[str, Path]:
    """The configurations and sweep files of the package, by name.

    Examples:
        >>> config_names()["models/pfn"].name
        'pfn.yaml'
    """
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for folder in _CONFIG_FOLDERS
        for path in sorted(folder.rglob("*.yaml"))
    }


def config_path(value: str | Path, folder: str | Path | None = None) -> Path:
    """Return the file of a configuration or sweep: an existing path, else one of the package's.

    The suffix ``.yaml`` may be left out. A file in the working folder comes before one of the
    package, so that a copy can be edited.

    Args:
        value: A path, or a name below ``configs/`` or ``studies/`` of the package, such as
            ``tagger`` or ``broken_symmetry/arms/pre-inv``.
        folder: A relative path is looked up here first. Default: only in the working folder.

    Raises:
        MissingFileError: If there is neither a file nor a name, with names that are alike.

    Examples:
        >>> config_path("models/pfn").name
        'pfn.yaml'
        >>> config_path("models/pfm")
        Traceback (most recent call last):
        ...
        pyg_jets.errors.MissingFileError: models/pfm is not there: give a path, or a name that
        pyg-jets configs list prints. Did you mean 'models/pfn'?
    """
    folders = (Path(),) if folder is None else (Path(folder), Path())
    for path in (parent / name for parent in folders for name in (f"{value}", f"{value}.yaml")):
        if path.is_file():
            return path
    names = config_names()
    name = str(value).removesuffix(".yaml")
    if name in names:
        return names[name]
    raise MissingFileError(
        f"{value} is not there: give a path, or a name that pyg-jets configs list prints."
        + did_you_mean(name, names)
    )


def data_path(root: str | Path) -> Path:
    """Return the folder of a data set: a relative one lies below ``PYG_JETS_DATA``, if that is set.

    So runs in other folders, such as those of W&B's agents, share the jets.

    Args:
        root: The folder.
    """
    base = os.environ.get("PYG_JETS_DATA")
    return Path(base).absolute() / root if base else Path(root)


def config_name(path: str | Path) -> str | None:
    """The name of a configuration file of the package; ``None`` for another file."""
    path = Path(path).resolve()
    for folder in map(Path.resolve, _CONFIG_FOLDERS):
        if path.is_relative_to(folder):
            return path.relative_to(folder).with_suffix("").as_posix()
    return None


def read_config(value: str | Path) -> list[dict[str, Any]]:
    """Read a configuration, and before it those of its ``config:`` list, which it overrides.

    Args:
        value: A path or a name, as in :func:`config_path`, or YAML text. Paths in a ``config:``
            list may be relative to the file that holds it.

    Returns:
        The mappings in the order in which they apply, without their ``config`` keys.

    Raises:
        InputError: For a file that is not a YAML mapping, or that includes itself.

    Examples:
        >>> read_config("{config: [], title: PFN}")
        [{'title': 'PFN'}]
    """
    text = str(value)
    if is_config_text(text):
        return _read_config(text, Path(), ())
    path = config_path(value)
    return _read_config(path.read_bytes(), path, ())


def is_config_text(value: str) -> bool:
    """Whether a value of ``--config`` is YAML text, and not the path or name of a file."""
    return ":" in value and not os.path.isfile(value)


def _read_config(
    text: str | bytes, path: Path, including: tuple[Path, ...]
) -> list[dict[str, Any]]:
    tree = load_yaml(text, path)
    tree = {} if tree is None else tree
    if not isinstance(tree, dict):
        raise InputError(f"Expected {path} as a mapping of keys to values, but got {tree!r}.")
    nested = tree.pop("config", None) or []
    trees: list[dict[str, Any]] = []
    including = (*including, path.resolve())
    for value in [nested] if isinstance(nested, str) else nested:
        other = config_path(value, path.parent)
        if other.resolve() in including:
            raise InputError(f"{other} includes itself by a config: key: leave that out.")
        trees += _read_config(other.read_bytes(), other, including)
    return [*trees, tree]


def claim_folder(folder: str | Path, marker: str, what: str) -> Path:
    """Return ``folder``, made if missing; refuse one that holds something else.

    Args:
        folder: The folder to write to.
        marker: The name of a file that marks a folder of this kind.
        what: What is to be written, for the message.

    Raises:
        FileExistsError: If the folder is not empty and has no ``marker``.
    """
    folder = Path(folder)
    if folder.is_file():
        raise FolderInUseError(f"{folder} is a file, but {what} needs a folder: give another path.")
    if folder.is_dir() and not (folder / marker).exists():
        others = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
        if others:
            content = ", ".join(others[:3]) + ", …" * (len(others) > 3)
            raise FolderInUseError(
                f"{folder} holds something else ({content}) and no {marker}: "
                f"give a new or empty folder for {what}."
            )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def require(module: str, extra: str) -> Any:
    """Import ``module`` and return it, or say which extra installs it.

    Args:
        module: The module's name.
        extra: The extra of pyg-jets that installs it.

    Raises:
        ModuleNotFoundError: With the command that installs the extra.
    """
    import importlib

    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise MissingExtraError(
            f"{module} is not installed, but is needed here: pip install 'pyg-jets[{extra}]'.",
            name=error.name,
        ) from None


@contextmanager
def dask_client(
    scheduler: str | None = None,
    workers: int | None = None,
    memory_limit: str | int = "auto",
    preload: Sequence[str] = (),
) -> Iterator[Any]:
    """Give a Dask client: of a running scheduler, or of a local cluster that ends with the block.

    Inside a worker of a local cluster, which may have no children, it is a cluster of one thread.
    On Linux the local processes are forked from a server that has imported what they need, once:
    torch and Lightning take seconds of processor time and half a gigabyte in each process that
    imports them itself.

    Args:
        scheduler: Address of a Dask scheduler, such as ``tcp://host:8786``. Default: a local
            cluster of processes with one thread each.
        workers: Number of local processes. Default: the number of cores.
        memory_limit: Bytes after which a local process is paused and ended; 0 for no limit, where
            memory maps, which the system can take back, would count too.

    Raises:
        ConnectionError: If no scheduler responds.
    """
    distributed = require("distributed", "generate")
    if scheduler is not None:
        try:
            client = distributed.Client(scheduler)
        except (OSError, ValueError) as error:
            raise UnreachableError(
                f"No Dask scheduler answers at {scheduler} ({error}): start one, or give none for "
                "a local cluster."
            ) from None
        with client:
            yield client
        return
    nested = multiprocessing.current_process().daemon
    with _worker_processes(preload) as options:
        with _spawn_without_main():
            cluster = distributed.LocalCluster(
                n_workers=1 if nested else workers or os.cpu_count() or 1,
                processes=not nested,
                threads_per_worker=1,
                memory_limit=memory_limit,
                dashboard_address="127.0.0.1:0",  # any free port: several may generate at once
                silence_logs=40,
                **({} if nested else options),
            )
        with cluster, distributed.Client(cluster) as client:
            yield client


@contextmanager
def _worker_processes(preload: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Have Dask fork its workers from a server on Linux; give the further options of a cluster."""
    if sys.platform != "linux":
        yield {}
        return
    import dask
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        context = get_mp_context()  # its first call sets modules of Dask's own choice
        context.set_forkserver_preload([*preload, "distributed"])
        # the server keeps the environment in which it was started
        yield {"env": dict(os.environ)}


@contextmanager
def _spawn_without_main() -> Iterator[None]:
    """Keep spawned workers from running the caller's script again.

    multiprocessing imports the main script in each spawned worker. Workers here need nothing of
    it, and a script without ``if __name__ == "__main__"``, or one from standard input, would fail.
    """
    main: Any = sys.modules["__main__"]
    saved = {name: getattr(main, name, None) for name in ("__file__", "__spec__")}
    for name in saved:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in saved.items():
            setattr(main, name, value)
