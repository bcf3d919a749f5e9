"""What a test of a tagger logs: AUC, accuracy, background rejections."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from pyg_jets import metrics

__all__ = ["auc", "binary_metrics", "multiclass_metrics"]

#: Signal efficiencies at which the background rejection is logged.
EFFICIENCIES = (0.3, 0.5)


def auc(outputs: dict[str, Tensor]) -> float:
    """AUC of a tagger of two classes.

    Args:
        outputs: ``logits [J, 1]``, ``label [J]`` and, if jets are weighted, ``weight [J]``.
    """
    scores, labels = outputs["logits"].flatten(), outputs["label"].flatten()
    return metrics.auc(scores, labels, outputs.get("weight"))


def binary_metrics(outputs: dict[str, Tensor]) -> dict[str, float]:
    """AUC, accuracy, rejections and signal efficiency of a tagger of two classes.

    Args:
        outputs: As of :func:`auc`.
    """
    scores, labels = outputs["logits"].flatten(), outputs["label"].flatten()
    weight = outputs.get("weight")
    values = {"test/auc": auc(outputs)}
    values["test/accuracy"] = metrics.accuracy(scores, labels, weights=weight)
    for efficiency in EFFICIENCIES:
        rejection = metrics.background_rejection(scores, labels, efficiency, weight)
        values[f"test/rejection_{efficiency}"] = rejection
    values["test/signal_efficiency_0.5"] = metrics.signal_efficiency(scores, labels, 0.5, weight)
    return values


def multiclass_metrics(outputs: dict[str, Tensor], classes: Sequence[str]) -> dict[str, float]:
    """Accuracy, and the AUC of each class against the rest that has jets, as ``test/auc_CLASS``.

    Args:
        outputs: ``logits [J, C]``, ``label [J]`` and, if jets are weighted, ``weight [J]``.
        classes: Names of the classes.
    """
    logits, labels = outputs["logits"], outputs["label"].flatten()
    weight = outputs.get("weight")
    weights = labels.new_ones(labels.shape).double() if weight is None else weight.double()
    right = (logits.argmax(-1) == labels).double()
    values = {"test/accuracy": float((right * weights).sum() / weights.sum())}
    for signal in range(logits.size(-1)):
        name = classes[signal] if signal < len(classes) else str(signal)
        if 0 < int((labels == signal).sum()) < len(labels):
            chosen = metrics.one_vs_rest(logits, labels, signal, weight)
            values[f"test/auc_{name}"] = metrics.auc(*chosen)
    return values
