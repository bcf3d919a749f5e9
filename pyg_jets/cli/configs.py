"""`pyg-jets configs`: the configurations and sweep files of the package."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pyg_jets.errors import FolderInUseError, InputError
from pyg_jets.files import config_name, config_names, config_path

__all__ = ["add_configs", "configs"]


def add_configs(commands: argparse._SubParsersAction) -> None:
    """Add the command and its actions to a parser."""
    command = commands.add_parser(
        "configs",
        help="list, show and copy configurations and sweep files",
        description="The configurations and sweep files of this package: --config and scan take "
        "them by name.",
    )
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="their names, and what each is")
    show = actions.add_parser("show", help="print the text of one")
    copy = actions.add_parser(
        "copy",
        help="copy one to edit it",
        description="Copy a configuration or sweep file, and the configurations that it names, to "
        "DIR/NAME.yaml. A command that runs in DIR takes the copies by the same names. No file is "
        "written over.",
    )
    for action in (show, copy):
        action.add_argument("name", metavar="NAME", help="a name, as in the list")
    copy.add_argument("folder", type=Path, metavar="DIR", help="folder to copy to")


def configs(args: argparse.Namespace) -> None:
    """List, show or copy configurations."""
    if args.action == "list":
        names = config_names()
        width = max(map(len, names))
        for name, path in names.items():
            print(f"{name:<{width}}  {_summary(path.read_text(encoding='utf-8'))}".rstrip())
    elif args.action == "show":
        print(config_path(args.name).read_text(encoding="utf-8"), end="")
    else:
        for path in copy_config(args.name, args.folder):
            print(path)


def _summary(text: str) -> str:
    """The first sentence of the comment that a file begins with."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("# ") or line.startswith("#  "):
            break
        lines.append(line[2:])
    return " ".join(lines).split(". ")[0].rstrip(".:")


def copy_config(name: str, folder: str | Path) -> list[Path]:
    """Copy a configuration of the package, and those that it names, below a folder.

    Args:
        name: Its name.
        folder: The folder, which is made if it is missing.

    Returns:
        The copies, ``folder/NAME.yaml``.

    Raises:
        InputError: If it is no configuration of the package.
        FolderInUseError: If a file is there already; nothing is copied then.
    """
    if config_name(config_path(name)) is None:
        raise InputError(f"Expected the name of a configuration of the package, but got {name}.")
    names, waiting, sources = config_names(), [config_path(name)], dict[Path, Path]()
    while waiting:
        source = waiting.pop()
        target = Path(folder) / f"{config_name(source)}.yaml"
        if target not in sources:
            sources[target] = source
            waiting += [names[other] for other in _named(source) if other in names]
    if there := [str(target) for target in sources if target.exists()]:
        raise FolderInUseError(f"{there[0]} is there already: remove it, or give another folder.")
    for target, source in sources.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    return list(sources)


def _named(path: Path) -> list[str]:
    """What a configuration or a sweep file names as configurations, by option or key."""
    import yaml

    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    names = list(_texts(tree.get("config")))
    names += _texts((tree.get("parameters") or {}).get("config"))
    names += [word.removeprefix("--config=") for word in _texts(tree.get("command"))]
    return [name.removesuffix(".yaml") for name in names]


def _texts(value: Any) -> Iterator[str]:
    """All texts in nested lists and mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
