"""Cards of data sets: what each holds, where it is from, and how to cite it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pyg_jets.columns import check_names

__all__ = ["card_names", "card_path", "read_card", "sample_path"]

_FILE = "README.md"


def _folder() -> Path:
    # A wheel carries the cards inside the package; a checkout has them beside it.
    package = Path(__file__).parent.parent
    for folder in (package / "_cards", package.parent / "datasets"):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"{package} has lost the cards of its data sets: install it again.")


def card_names() -> tuple[str, ...]:
    """Names of all data sets that have a card, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in _folder().glob(f"*/{_FILE}")))


def card_path(name: str) -> Path:
    """The card of a data set, in a wheel as in a checkout.

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

    Raises:
        ValueError: For a name without a card, or a card without a head.
    """
    import yaml

    parts = card_path(name).read_text().split("---\n")
    if len(parts) < 3 or parts[0].strip():
        raise ValueError(f"{card_path(name)} has no YAML head between two lines of ---: mend it.")
    return yaml.safe_load(parts[1])


def sample_path(name: str) -> Path:
    """The file of real data that lies beside a card, the first that its head names as ``sample``.

    Raises:
        ValueError: For a name without a card, or a card without a sample.
        FileNotFoundError: If the file is not there.

    Examples:
        >>> sample_path("sparse_mnist").name
        'mnist_10k.npz'
    """
    named = read_card(name).get("sample")
    if not named:
        raise ValueError(f"{card_path(name)} names no sample: its data set has to be fetched.")
    path = card_path(name).parent / named[0]["name"]
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: install the package again.")
    return path
