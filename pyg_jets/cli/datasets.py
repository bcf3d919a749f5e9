"""`pyg-jets datasets`: list, show, fetch and verify public data sets."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError
from pyg_jets.files import data_path
from pyg_jets.io.cards import card_files, card_name, card_names, card_text, read_card
from pyg_jets.io.remote import RemoteFile

__all__ = ["add_datasets", "count", "datasets", "licence", "published_size", "readable", "size"]

_KEYS = ("split", "part")


def add_datasets(commands: argparse._SubParsersAction) -> None:
    """Add the command and its actions to a parser."""
    command = commands.add_parser(
        "datasets",
        help="list, show, fetch and verify public data sets",
        description="The public data sets of jets that this package reads: what each holds, where "
        "it is from, and what of it is on disk.",
    )
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)
    listed = actions.add_parser("list", help="a table of all, with what is on disk")
    listed.add_argument("--root", type=Path, default=Path("data"), metavar="DIR",
                        help="folder that holds a folder for each (data)")  # fmt: skip
    show = actions.add_parser("show", help="what one holds, its columns, known problems, citation")
    show.add_argument("name", metavar="NAME", help="its name or class, as in the list")
    fetch = actions.add_parser(
        "fetch",
        help="download what is missing",
        description="Download the files of a data set that are missing in DIR/raw. A broken "
        "download is continued, and every hash is checked. The environment variable "
        "PYG_JETS_MIRROR replaces the host of each address: http://localhost:8000/copy, or a "
        "folder.",
    )
    fetch.add_argument("--quiet", action="store_true", help="show no progress bars")
    verify = actions.add_parser(
        "verify",
        help="check sizes and hashes of what is there",
        description="Hold the files in DIR/raw against their sizes and hashes, without a network. "
        "Where no hash is published, that of the first download counts. Generated and converted "
        "jets below DIR are held against the checksums that were stored with them.",
    )
    for action in (fetch, verify):
        named = "its name or class, as in the list" + ", or a folder" * (action is verify)
        action.add_argument("name", metavar="NAME", help=named)
        action.add_argument("--root", type=Path, metavar="DIR", help="its folder (data/NAME)")
        action.add_argument("--only", nargs="+", metavar="FILE", help="only these files")
        action.add_argument("--split", nargs="+", help="only the files of these splits")
        action.add_argument("--part", nargs="+", help="only the files of these parts")


def datasets(args: argparse.Namespace) -> int:
    """Run the action of the command, and return its exit code."""
    args.folder = None
    if args.action == "verify" and args.root is None and Path(args.name).is_dir():
        args.folder = None if args.name in card_names() else Path(args.name)
    if args.action != "list" and args.folder is None:
        args.name = card_name(args.name)
    actions = {"list": _list, "show": _show, "fetch": _fetch, "verify": _verify}
    return actions[args.action](args)


def readable(size: int) -> str:
    """A number of bytes with a unit.

    Examples:
        >>> readable(436_490_240), readable(900), readable(999_999_999)
        ('436 MB', '900 B', '1.0 GB')
    """
    value, units = float(size), iter(("B", "kB", "MB", "GB", "TB"))
    unit = next(units)
    while value >= 999.5 and unit != "TB":
        value, unit = value / 1000, next(units)
    return f"{value:.1f} {unit}" if value < 9.95 and unit != "B" else f"{value:.0f} {unit}"


def count(jets: Any) -> str:
    """The number of jets of a card with separators, or the text that the card has instead."""
    return f"{jets:,}" if isinstance(jets, int) else str(jets)


def licence(head: dict[str, Any]) -> str:
    """The licence of a card, or where to find it."""
    if head["license"] != "other":
        return str(head["license"])
    return str(head.get("license_name") or "see the record")


def published_size(files: Sequence[RemoteFile]) -> int:
    """Bytes of the files whose size is published."""
    return sum(file.bytes or 0 for file in files)


def size(head: dict[str, Any], files: Sequence[RemoteFile]) -> str:
    """The size of the download, or the number of files where no sizes are published."""
    if files and all(file.bytes for file in files):
        return readable(published_size(files))
    return str(head.get("size", _files(len(files)) if files else "–"))


def _files(number: int) -> str:
    return f"{number} file{'s' * (number != 1)}"


def _list(args: argparse.Namespace) -> int:
    rows = [("name", "class", "jets", "size", "licence", f"on disk, in {data_path(args.root)}")]
    for name in card_names():
        head, files = read_card(name), card_files(name)
        local = on_disk(files, data_path(args.root) / name)
        rows.append(
            (name, head["class"], count(head["jets"]), size(head, files), licence(head), local)
        )
    print("\n".join(_table(rows)))
    print("\npyg-jets datasets show NAME prints what a data set holds, and how to cite it.")
    return 0


def on_disk(files: Sequence[RemoteFile], root: Path) -> str:
    """The files of a data set in its folder, in words."""
    raw = root / "raw"
    existing = [raw / file.name for file in files if (raw / file.name).is_file()]
    parts = []
    if existing:
        parts.append(f"{len(existing)} of {_files(len(files))}, {readable(_bytes(existing))}")
    elif not files and (size_of_raw := _bytes(raw.rglob("*"))):
        parts.append(f"raw {readable(size_of_raw)}")
    if incomplete := list(raw.glob("*.part")):
        parts.append(f"{len(incomplete)} broken off")
    if processed := _bytes((root / "processed").rglob("*")):
        parts.append(f"processed {readable(processed)}")
    return "; ".join(parts) or "–"


def _bytes(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table with aligned columns, and a rule below the first."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return [line.rstrip() for line in lines]


def _show(args: argparse.Namespace) -> int:
    head, files = read_card(args.name), card_files(args.name)
    cited, classes = head["citation"], head["classes"]
    if isinstance(classes, dict):
        classes = ", ".join(f"{label} {name}" for label, name in classes.items()) or "none"
    facts = [
        ("class", head["class"]),
        ("jets", count(head["jets"])),
        ("size", size(head, files)),
        ("licence", " ".join(filter(None, (licence(head), head.get("license_link"))))),
        ("homepage", head["homepage"]),
        ("splits", head["splits"]),
        ("classes", str(classes)),
        *(("cite", text) for text in ([cited] if isinstance(cited, str) else cited)),
        *(("files", line) for line in _groups(args.name)),
    ]
    print(card_text(args.name))
    print("\n".join(f"{key:<9} {value}" for key, value in facts))
    for level in ("particles", "jets"):
        columns = head["columns"][level]
        if columns:
            rows = [(c["name"], c["unit"], c["dtype"], c["description"]) for c in columns]
            print(f"\nColumns of {level}:")
            print("\n".join(_table([("name", "unit", "dtype", "what"), *rows])))
    return 0


def _groups(name: str) -> list[str]:
    """Lines with the number of files for each choice of ``fetch``, such as ``--split train``."""
    groups: Counter[str] = Counter()
    for entry in read_card(name)["files"]:
        chosen = " ".join(f"--{key} {entry[key]}" for key in _KEYS if key in entry)
        groups[chosen or entry["name"]] += 1
    return [f"{number:>3}  {chosen}" for chosen, number in groups.items()]


def _chosen(args: argparse.Namespace) -> list[RemoteFile]:
    """The files that the arguments select."""
    files = card_files(args.name, **{key: getattr(args, key) for key in _KEYS})
    if not card_files(args.name):
        raise InputError(
            f"{args.name} has no files to fetch or verify: it is generated, or made of your own "
            f"files, see pyg-jets datasets show {args.name}."
        )
    if args.only:
        check_names(args.only, (file.name for file in files), f"file of {args.name}")
        files = [file for file in files if file.name in args.only]
    return files


def _folder(args: argparse.Namespace) -> Path:
    return data_path(args.root or Path("data") / args.name) / "raw"


def _fetch(args: argparse.Namespace) -> int:
    from pyg_jets.io.download import fetch

    files, folder = _chosen(args), _folder(args)
    missing = [file for file in files if not (folder / file.name).exists()]
    least = published_size(missing)
    print(
        f"{args.name}: {_files(len(files))} wanted in {folder}, {len(missing)} missing"
        + (f", {readable(least)} at least" if least else ""),
        flush=True,
    )
    fetch(files, folder, progress=not args.quiet)
    print(f"{_files(len(files))} there.")
    return 0


def _verify(args: argparse.Namespace) -> int:
    from pyg_jets.datasets.verify import verify_made
    from pyg_jets.io.download import verify

    chosen = args.only or any(getattr(args, key) for key in _KEYS)
    if args.folder is not None:
        files, folder = [], args.folder
    else:
        files = _chosen(args) if chosen or card_files(args.name) else []
        folder = data_path(args.root or Path("data") / args.name)
    checks = verify(files, folder / "raw")
    counts = Counter(check.status for check in checks)
    wrong = any(check.status.startswith("wrong") for check in checks)
    for check in checks:
        if check.status != "missing" or chosen:
            print(f"{check.status:<11} {check.file.name}")
        if check.status.startswith("wrong"):
            print(f"            expected {check.expected}\n            found    {check.found}")
    if checks:
        where = folder / "raw"
        print(", ".join(f"{number} {status}" for status, number in counts.items()) + f" in {where}")
    if wrong:
        print("Remove what is wrong, and fetch it again.")
    made = {} if chosen else dict(verify_made(folder))
    damaged = {path: status for path, status in made.items() if status not in ("ok", "unverified")}
    for path, status in damaged.items():
        print(f"{path} is {status}")
    if made:
        kinds = Counter("damaged" if path in damaged else made[path] for path in made)
        told = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
        print(f"{told} of the files that were made in {folder}")
    if damaged:
        print("Make them again: with force_reload=True, or by removing them.")
    if wrong or damaged:
        return 1
    if not files and not made:
        print(f"Nothing to verify in {folder}.")
        return 1
    lacks_all = counts["missing"] == len(files) and not made
    return int(bool(counts["missing"]) and (bool(chosen) or lacks_all))
