"""Cards of data sets: what each holds, where it is from, and how to cite it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from pyg_jets.columns import check_names
from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.io.remote import RemoteFile

__all__ = [
    "card_files",
    "card_name",
    "card_names",
    "card_path",
    "card_text",
    "read_card",
    "sample_path",
]

_FILE = "README.md"
_ALGORITHMS = ("sha256", "md5")


def _folder() -> Path:
    # A wheel carries the cards inside the package; a checkout has them beside it.
    package = Path(__file__).parent.parent
    for folder in (package / "_cards", package.parent / "datasets"):
        if folder.is_dir():
            return folder
    raise MissingFileError(f"{package} has lost the cards of its data sets: install it again.")


def card_names() -> tuple[str, ...]:
    """Names of all data sets that have a card, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in _folder().glob(f"*/{_FILE}")))


def card_name(name: str) -> str:
    """The name of a card, from that name or from the name of its class.

    Capitals, underscores, hyphens and spaces are ignored.

    Args:
        name: Such as ``"top_tagging"``, ``"TopTagging"`` or ``"toptagging"``.

    Raises:
        InputError: For a name without a card; it lists the choices.

    Examples:
        >>> card_name("TopTagging"), card_name("top-tagging")
        ('top_tagging', 'top_tagging')
    """
    names = card_names()
    if name not in names:
        by_spelling = {_spelling(read_card(card)["class"]): card for card in names}
        by_spelling |= {_spelling(card): card for card in names}
        name = by_spelling.get(_spelling(name), name)
    return check_names((name,), names, "data set")[0]


def _spelling(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter not in "_- ")


def card_path(name: str) -> Path:
    """The file of the card of a data set, in a wheel as in a checkout.

    Args:
        name: The data set.

    Raises:
        ValueError: For a name without a card; it lists the choices.

    Examples:
        >>> card_path("toy_jets").name
        'README.md'
    """
    check_names((name,), card_names(), "data set")
    return _folder() / name / _FILE


def read_card(name: str) -> dict[str, Any]:
    """The YAML head of a card.

    Args:
        name: The data set.

    Raises:
        ValueError: For a name without a card, or a card without a head.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the long lists of files take seconds
    return yaml.load(_head_and_text(name)[0], Loader=loader)


def card_text(name: str) -> str:
    """The text of a card, below its head.

    Args:
        name: The data set.

    Examples:
        >>> card_text("toy_jets").splitlines()[0]
        '# Toy of the broken-symmetries study'
    """
    return _head_and_text(name)[1].strip() + "\n"


def _head_and_text(name: str) -> tuple[str, str]:
    path = card_path(name)
    parts = path.read_text(encoding="utf-8").split("---\n", 2)
    if len(parts) < 3 or parts[0].strip():
        raise InputError(f"{path} has no YAML head between two lines of ---: write one.")
    return parts[1], parts[2]


def card_files(name: str, **which: Any) -> list[RemoteFile]:
    """The files of a data set, in the order of its card.

    Args:
        name: The data set.
        which: Keys of the card's entries with the value, or the values, that are wanted, such as
            ``split="train"`` or ``part=("pythia", "herwig")``. ``None`` for any value.

    Raises:
        ValueError: For a name without a card, or a key or a value that no file of it has.

    Examples:
        >>> [file.name for file in card_files("top_tagging", split=("train", "val"))]
        ['train.h5', 'val.h5']
    """
    entries = read_card(name)["files"]
    for key, wanted in which.items():
        if wanted is None:
            continue
        several = isinstance(wanted, Collection) and not isinstance(wanted, str)
        values = {str(value) for value in (wanted if several else (wanted,))}
        choices = dict.fromkeys(str(entry[key]) for entry in entries if key in entry)
        check_names(sorted(values), choices, f"{key} of the files of {name}")
        entries = [entry for entry in entries if str(entry.get(key)) in values]
    return [_remote_file(entry, name) for entry in entries]


def _remote_file(entry: dict[str, Any], name: str) -> RemoteFile:
    algorithm = next((a for a in _ALGORITHMS if a in entry), None)
    if algorithm is None and not entry.get("unverified"):
        raise InputError(
            f"{card_path(name)}: {entry['name']} has no {' or '.join(_ALGORITHMS)}: give it one, "
            "or say `unverified: true`."
        )
    name, url, size = entry["name"], entry["url"], entry.get("bytes")
    if algorithm is None:
        return RemoteFile(name, url, bytes=size)
    hashes = entry[algorithm]
    first, *others = [hashes] if isinstance(hashes, str) else hashes
    return RemoteFile(name, url, algorithm, first, size, tuple(others))


def sample_path(name: str, file: str | None = None) -> Path:
    """A file of real data that lies beside a card, one that its head names as ``sample``.

    Args:
        name: The data set.
        file: The name of the file. Default: the first one.

    Raises:
        ValueError: For a name without a card, or a card without such a sample.
        FileNotFoundError: If the file is not there.

    Examples:
        >>> sample_path("sparse_mnist").name
        'mnist_10k.npz'
    """
    samples = read_card(name).get("sample")
    if not samples:
        raise InputError(f"{card_path(name)} names no sample: its data set has to be fetched.")
    names = [sample["name"] for sample in samples]
    (chosen,) = check_names((file or names[0],), names, f"sample of {name}")
    path = card_path(name).parent / chosen
    if not path.is_file():
        raise MissingFileError(f"{path} is missing: install the package again.")
    return path
