"""Responses that need no network of sets: scales of a GEN jet, and regressions of them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Batch

from pyg_jets.kinematics import delta_phi
from pyg_jets.ops import segment_sum
from pyg_jets.studies.generation.gen_reco_jets import GenReco, Response, Sets, joined

__all__ = ["Ratios", "conditional_mean", "identity", "mean_ratio", "random_response", "scaled"]

#: Rounds in which pT and mass are brought to their values: each is right to some 1e-3 of the last.
_ROUNDS = 6


class Ratios:
    """What the detector makes of features of the training jets.

    Args:
        jets: The jets.

    Attributes:
        ratio: RECO over GEN of pT, mass and multiplicity, ``[J, 3]``.
        shift: η and φ of RECO less those of GEN, ``[J, 2]``.
        inputs: What a regression of the ratios reads of GEN, ``[J, 8]``.
    """

    def __init__(self, jets: GenReco):
        gen = joined(jets.before(batch) for batch in jets.train).features()
        reco = joined(jets.truth(batch, 10) for batch in jets.train).features()
        seen = (gen["mass"] > 0) & (gen["n"] > 0)
        before, after = (
            {name: values[seen] for name, values in features.items()} for features in (gen, reco)
        )
        self.ratio = np.stack([after[f] / before[f] for f in ("pt", "mass", "n")], 1)
        self.shift = np.stack([after[f] - before[f] for f in ("eta", "phi")], 1)
        self.inputs = np.concatenate([gen_inputs(jets, batch) for batch in jets.train])[seen]


def gen_inputs(jets: GenReco, batch: Batch) -> np.ndarray:
    """What is read of GEN: pT, mass, n, \\|η\\|, shares of charged and photon pT, width, pT of one.

    Args:
        jets: The jets, whose detector says what the axis is.
        batch: Jets with canonical columns.
    """
    sets = jets.before(batch)
    features, pt = sets.features(), sets.x[:, :1].double()
    radius = sets.x[:, 1:].double().norm(dim=1, keepdim=True)
    eta = batch.x[:, 1:2].double()
    parts = [pt * (sets.kind == 0)[:, None], pt * (sets.kind == 1)[:, None], pt * radius, pt * eta]
    sums = segment_sum(torch.cat([pt, *parts, pt.square()], 1), sets.ptr).numpy()
    shares = sums[:, 1:] / np.maximum(sums[:, :1], 1e-9)
    shares[:, 3] = np.abs(shares[:, 3])
    return np.column_stack([*(features[f] for f in ("pt", "mass", "n")), shares])


def identity(jets: GenReco) -> Response:
    """GEN itself."""
    return jets.before


def mean_ratio(jets: GenReco, ratios: Ratios) -> Response:
    """GEN, with pT, mass and multiplicity times the mean ratio of the training jets.

    Args:
        jets: The jets.
        ratios: Those of the training jets.
    """
    mean = ratios.ratio.mean(0)

    def response(batch: Batch, seed: int) -> Sets:
        n_jets = batch.num_graphs
        return scaled(jets.before(batch), np.tile(mean, (n_jets, 1)), np.zeros((n_jets, 2)))

    return response


def random_response(jets: GenReco, ratios: Ratios) -> Response:
    """GEN, with the ratios and the shift of a training jet drawn at random.

    Args:
        jets: The jets.
        ratios: Those of the training jets.
    """

    def response(batch: Batch, seed: int) -> Sets:
        first = int(batch.jet_id.flatten()[0]) if batch.num_graphs else 0
        rng = np.random.default_rng((seed, first))
        drawn = rng.integers(0, len(ratios.ratio), batch.num_graphs)
        return scaled(jets.before(batch), ratios.ratio[drawn], ratios.shift[drawn])

    return response


def conditional_mean(jets: GenReco, ratios: Ratios, seed: int = 0) -> Response:
    """GEN, with the ratios that gradient-boosted trees expect of its jet: no spread at all.

    Args:
        jets: The jets.
        ratios: Those of the training jets, which the trees learn from.
        seed: Seed of the trees.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    options = {"max_iter": 100, "learning_rate": 0.05, "max_leaf_nodes": 15, "random_state": seed}
    trees = [
        HistGradientBoostingRegressor(**options).fit(ratios.inputs, wanted)
        for wanted in ratios.ratio.T
    ]

    def response(batch: Batch, seed: int) -> Sets:
        inputs = gen_inputs(jets, batch)
        ratio = np.stack([tree.predict(inputs) for tree in trees], 1)
        return scaled(jets.before(batch), ratio, np.zeros((len(ratio), 2)))

    return response


def scaled(gen: Sets, ratio: np.ndarray, shift: np.ndarray) -> Sets:
    """Jets of which pT, mass and multiplicity are scaled, and the axis is moved.

    The softest particles are taken away, or the hardest ones split in halves, until the number is
    right; then pT and angles are scaled until pT and mass of the jet are.

    Args:
        gen: The jets.
        ratio: What pT, mass and multiplicity are multiplied by, ``[J, 3]``.
        shift: What is added to η and φ of the jet, ``[J, 2]``.
    """
    before = gen.features()
    wanted = {name: before[name] * ratio[:, i] for i, name in enumerate(("pt", "mass", "n"))}
    jets = _with_n(gen, torch.from_numpy(np.rint(wanted["n"])).long())
    x, of_jet = jets.x.double(), torch.repeat_interleave(jets.ptr.diff())
    for _ in range(_ROUNDS):
        now = jets._replace(x=x).features()
        factor = {
            name: torch.from_numpy(_ratio(wanted[name], now[name]))[of_jet, None]
            for name in ("pt", "mass")
        }
        axis = torch.from_numpy(np.stack([now["eta"], now["phi"]], 1))[of_jet]
        narrower = factor["mass"] / factor["pt"]
        x = torch.cat((x[:, :1] * factor["pt"], (x[:, 1:] - axis) * narrower), 1)
    for _ in range(_ROUNDS // 2):  # η of a jet with mass does not move as its particles do
        now = jets._replace(x=x).features()
        for i, name in enumerate(("eta", "phi")):
            move = before[name] + shift[:, i] - now[name]
            x[:, i + 1] += torch.from_numpy(move)[of_jet]
    x[:, 2] = delta_phi(x[:, 2], torch.zeros(()))
    return jets._replace(x=x.float())


def _ratio(wanted: np.ndarray, now: np.ndarray) -> np.ndarray:
    """What a value has to be multiplied by; 1 where it is 0."""
    return np.divide(wanted, now, out=np.ones_like(wanted), where=now > 1e-6)


def _with_n(jets: Sets, n: Tensor) -> Sets:
    """The hardest ``n [J]`` particles of each jet; where it has fewer, its hardest in halves."""
    counts, of_jet = jets.ptr.diff(), torch.repeat_interleave(jets.ptr.diff())
    order = torch.argsort(jets.x[:, 0], descending=True, stable=True)
    order = order[torch.argsort(of_jet[order], stable=True)]
    rank = torch.arange(len(order)) - jets.ptr[of_jet]
    n = torch.minimum(n.clamp(min=0), 2 * counts)
    copies = (rank < n[of_jet]).long() + (rank < (n - counts)[of_jet]).long()
    rows = torch.repeat_interleave(order, copies)
    x = jets.x[rows].clone()
    x[:, 0] /= torch.repeat_interleave(copies, copies)
    return Sets(x, jets.kind[rows], torch.cat((n.new_zeros(1), n.cumsum(0))))
