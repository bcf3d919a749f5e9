"""`SelectByEMD`: how far generated jets are from real ones decides which model is best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities import rank_zero_warn

from pyg_jets.errors import InputError
from pyg_jets.metrics.features import JET_FEATURES
from pyg_jets.training.generator import Generator

__all__ = ["SelectByEMD"]

#: Added to the sum of a model that is not admitted: it ranks behind all that are.
BEHIND = 1000.0


class SelectByEMD(lightning.Callback):
    r"""Log the distance of each feature in validation, and the sum by which models are ranked.

    The distance of a feature is :math:`W_1` of the samples over the deviation of the targets.
    ``val/emd_NAME`` is that of each feature of jets and particles, ``val/emd`` the sum over those
    of jets, by which training stops, and ``val/emd_admitted`` the sum by which the best checkpoint
    is chosen: it is behind every other where mass and pT together are not under the threshold.

    Args:
        threshold: What the distances of mass and pT may be together.

    Raises:
        ValueError: If it is not above 0.

    Source: `arXiv:2203.00520 <https://arxiv.org/abs/2203.00520>`_.

    Examples:
        >>> SelectByEMD(threshold=0.2).threshold
        0.2
    """

    def __init__(self, threshold: float = float("inf")) -> None:
        super().__init__()
        if not threshold > 0:
            raise InputError(f"Expected threshold above 0, but got {threshold}.")
        self.threshold, self.admitted, self.ranked = threshold, 0, 0

    def state_dict(self) -> dict[str, Any]:
        """How many models were ranked and admitted, for a training that goes on."""
        return {"admitted": self.admitted, "ranked": self.ranked}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what a checkpoint kept."""
        self.admitted, self.ranked = state_dict["admitted"], state_dict["ranked"]

    def on_validation_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        """Log the distances of the jets that this validation kept."""
        if trainer.sanity_checking or not isinstance(pl_module, Generator):
            return
        logged = self.rank(pl_module.distances())
        self.ranked += 1
        self.admitted += logged["val/emd_admitted"] == logged["val/emd"]
        for name, value in logged.items():
            number = torch.as_tensor(value, dtype=torch.float64)
            pl_module.log(name, number, prog_bar=name == "val/emd", sync_dist=True)

    def rank(self, distances: Mapping[str, float]) -> dict[str, float]:
        """What is logged of the distances of a validation, by its names.

        Args:
            distances: The distance of each feature.

        Examples:
            >>> SelectByEMD(threshold=0.2).rank({"pt": 0.3, "mass": 0.1})["val/emd_admitted"]
            1000.4
        """
        of_jets = [distances[name] for name in JET_FEATURES if name in distances]
        if not of_jets:  # digits of one size: their pixels are all there is
            of_jets = list(distances.values())
        total = float(sum(of_jets))
        both = distances.get("mass", 0.0) + distances.get("pt", 0.0)
        logged = {f"val/emd_{name}": value for name, value in distances.items()}
        behind = BEHIND if both >= self.threshold else 0.0
        return logged | {
            "val/emd": total,
            "val/emd_mass_pt": both,
            "val/emd_admitted": total + behind,
        }

    def on_fit_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Say so if no model was admitted."""
        if self.ranked and not self.admitted:
            rank_zero_warn(
                f"No model had distances of mass and pT under {self.threshold} together: the best "
                "of those above it is kept; raise the threshold or train longer."
            )
