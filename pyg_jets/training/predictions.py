"""The predictions of a tagger, as its run folder keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyg_jets.datasets import JetDataset
from pyg_jets.files import write_aside
from pyg_jets.metrics.baselines import tree_scores
from pyg_jets.training.data import JetDataModule
from pyg_jets.training.tagger import Tagger

__all__ = ["TREE", "write_predictions"]

#: What the tree baseline reads.
TREE = ("mass", "multiplicity")


def write_predictions(
    tagger: Tagger, data: JetDataModule, path: Path, tree: Sequence[str] = TREE
) -> None:
    """Write a row for each test jet: label, scores, observables, and a tree's score.

    Args:
        tagger: After a test, which leaves its outputs.
        data: Gives the test jets.
        path: The file.
        tree: The observables that the tree reads.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    outputs = tagger.predictions
    logits = outputs["logits"].float().numpy()
    table: dict[str, Any] = {
        "jet_id": outputs["jet_id"].flatten().numpy(),
        "label": outputs["label"].flatten().numpy(),
    }
    if logits.shape[1] == 1:
        table["score"] = logits[:, 0]
    else:
        table |= {f"score_{i}": logits[:, i] for i in range(logits.shape[1])}
    if "weight" in outputs:
        table["weight"] = outputs["weight"].flatten().numpy()
    table |= _observables(data, table["jet_id"], tree)
    with write_aside(path) as part:
        pq.write_table(pa.table(table), part)


def _tagging_columns(jets: JetDataset) -> dict[str, np.ndarray]:
    """Observables as predictions keep them, at the level the data set is cut at."""
    found = jets.observables(getattr(jets, "level", "gen"))
    for above, below in ((2, 1), (3, 2)):
        if f"tau{above}" in found:
            bottom = found[f"tau{below}"]
            ratio = np.divide(found[f"tau{above}"], bottom, where=bottom > 0,
                              out=np.zeros_like(bottom))  # fmt: skip
            found[f"tau{above}{below}"] = ratio
    kept = ("pt", "eta", "mass", "softdrop_mass", "tau21", "tau32", "multiplicity")
    return {name: found[name] for name in kept if name in found}


def _observables(
    data: JetDataModule, ids: np.ndarray, tree: Sequence[str]
) -> dict[str, np.ndarray]:
    """Observables of the test jets in the order of ``ids``, and a tree's score on some of them."""
    test, train = (_tagging_columns(data.splits[split]) for split in ("test", "train"))
    if not set(TREE) <= set(test):
        return {}
    if len(data.dataset.classes) == 2:
        jets, weight = data.splits["train"], None
        if data.weights is not None:
            weight = data.weights.of(jets.jet, jets.y)
        score = tree_scores(train, jets.y.numpy(), test, tree, weights=weight)
        test["tree"] = score.astype(np.float32)
    at = {int(jet): i for i, jet in enumerate(data.splits["test"].jet_id.tolist())}
    order = np.array([at[int(jet)] for jet in ids])
    return {name: value[order] for name, value in test.items()}
