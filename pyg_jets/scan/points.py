"""Hashes of the arguments of a point: they name it, and tell which points repeat one training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyg_jets.files import content_hash, read_config
from pyg_jets.runs import repeats_training
from pyg_jets.training.arguments import join_options

__all__ = ["point_hash", "setting_hash"]


def point_hash(words: Sequence[str]) -> str:
    """A name for what ``pyg-jets fit`` runs with these words.

    Configurations count by their content, so that an edited file makes other points. They override
    what stands before them, so their places count; the order of the words between them does not.

    Args:
        words: The words after ``pyg-jets``, dotted and flat.

    Examples:
        >>> point_hash(["fit", "--a=1", "--b", "2"]) == point_hash(["fit", "--b=2", "--a=1"])
        True
    """
    parts: list[Any] = [[]]
    for word in join_options(words):
        key, _, value = word.partition("=")
        if key == "--config":
            for tree in read_config(value):
                parts += [tree, []]
        else:
            parts[-1].append(word)
    # by the options alone: of one that is given twice, the last counts
    parts[::2] = [sorted(words, key=_option) for words in parts[::2]]
    return content_hash(parts)


def _option(word: str) -> str:
    key, sign, _ = word.partition("=")
    return key + sign


def setting_hash(words: Sequence[str]) -> str:
    """The same without what only repeats a training: the sample of the data, and seeds.

    Args:
        words: The words after ``pyg-jets``, dotted and flat.

    Examples:
        >>> one, other = (["fit", f"--data.sample.replica={i}", "--lr=1"] for i in range(2))
        >>> setting_hash(one) == setting_hash(other)
        True
    """
    kept = [w for w in join_options(words) if not repeats_training(w.partition("=")[0])]
    return point_hash(kept)
