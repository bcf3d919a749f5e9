"""The numbers of a test, from the outputs for all of its jets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pyg_jets import metrics

__all__ = ["EFFICIENCIES", "area", "gathered", "several_classes", "two_classes"]

#: Signal efficiencies at which the background rejection is logged.
EFFICIENCIES = (0.3, 0.5)


def area(outputs: dict[str, Tensor]) -> float:
    """AUC of a tagger of two classes.

    Args:
        outputs: ``logits [J, 1]``, ``label [J]`` and, if jets are weighted, ``weight [J]``.
    """
    scores, labels = outputs["logits"].flatten(), outputs["label"].flatten()
    return metrics.auc(scores, labels, outputs.get("weight"))


def two_classes(outputs: dict[str, Tensor]) -> dict[str, float]:
    """AUC, accuracy, rejections and signal efficiency; see :func:`area`."""
    scores, labels = outputs["logits"].flatten(), outputs["label"].flatten()
    weight = outputs.get("weight")
    found = {"test/auc": area(outputs)}
    found["test/accuracy"] = metrics.accuracy(scores, labels, weights=weight)
    for efficiency in EFFICIENCIES:
        rejection = metrics.background_rejection(scores, labels, efficiency, weight)
        found[f"test/rejection_{efficiency}"] = rejection
    found["test/signal_efficiency_0.5"] = metrics.signal_efficiency(scores, labels, 0.5, weight)
    return found


def several_classes(outputs: dict[str, Tensor], classes: Sequence[str]) -> dict[str, float]:
    """Accuracy, and the AUC of each class against the rest that has jets, as ``test/auc_CLASS``.

    Args:
        outputs: ``logits [J, C]``, ``label [J]`` and, if jets are weighted, ``weight [J]``.
        classes: Names of the classes.
    """
    logits, labels = outputs["logits"], outputs["label"].flatten()
    weight = outputs.get("weight")
    worth = labels.new_ones(labels.shape).double() if weight is None else weight.double()
    right = (logits.argmax(-1) == labels).double()
    found = {"test/accuracy": float((right * worth).sum() / worth.sum())}
    for signal in range(logits.size(-1)):
        name = classes[signal] if signal < len(classes) else str(signal)
        if 0 < int((labels == signal).sum()) < len(labels):
            chosen = metrics.one_vs_rest(logits, labels, signal)
            found[f"test/auc_{name}"] = metrics.auc(*chosen, weight)
    return found


def gathered(
    collected: list[list[dict[str, Tensor]]], loader: int = 0, unique: bool = True
) -> dict[str, Tensor]:
    """Outputs of all batches and ranks, ordered by jet; a padding sampler's doubles are dropped."""
    parts = collected[loader] if len(collected) > loader else []  # a rank may have no jets
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        every: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(every, parts)
        parts = [part for rank in every for part in rank]
    joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    order = joined["jet_id"].flatten().sort(stable=True).indices
    joined = {name: value[order] for name, value in joined.items()}
    if unique:
        ids = joined["jet_id"].flatten()
        first = torch.ones(len(ids), dtype=torch.bool)
        first[1:] = ids[1:] != ids[:-1]
        joined = {name: value[first] for name, value in joined.items()}
    return joined
