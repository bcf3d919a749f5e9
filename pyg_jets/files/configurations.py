"""Configurations: YAML of plain values, found by a path or by a name of the package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pyg_jets.errors import InputError, MissingFileError, did_you_mean

__all__ = [
    "config_name",
    "config_names",
    "config_path",
    "data_path",
    "is_config_text",
    "load_yaml",
    "read_config",
]

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
_CONFIG_FOLDERS = tuple(Path(__file__).parents[1] / name for name in ("configs", "studies"))


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
