r"""Variables of jets taken to normal ones by their quantiles, for each class, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["QuantileTransform"]

#: Nodes of a table.
_NODES = 129


class QuantileTransform(nn.Module):
    r"""Takes each variable to a normal one, :math:`\Phi^{-1}(F(g))`, by a table of its quantiles.

    As scikit-learn's ``QuantileTransformer``, with whole numbers spread over the unit interval
    around them, a table for each class, and the slope that a density needs. The tables are buffers.

    Args:
        classes: Number of classes.
        columns: Number of variables.
        integers: Columns that are whole numbers.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> transform = QuantileTransform(classes=1, columns=1)
        >>> normal = transform.fit(0, rng.exponential(size=(5000, 1)), rng)
        >>> bool(abs(normal.mean()) < 0.05), bool(abs(normal.std() - 1) < 0.05)
        (True, True)
    """

    scores: Tensor
    quantiles: Tensor
    varies: Tensor

    def __init__(self, classes: int, columns: int, integers: Sequence[int] = ()) -> None:
        super().__init__()
        self.columns, self.integers = columns, tuple(integers)
        shape = (classes, columns, _NODES)
        self.register_buffer("scores", torch.zeros(classes, _NODES))
        self.register_buffer("quantiles", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("varies", torch.zeros(classes, columns, dtype=torch.bool))

    def fit(self, number: int, variables: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Fit the tables of a class, and return its variables as normal ones, ``[n, columns]``.

        Args:
            number: The class.
            variables: Its variables ``[n, columns]``.
            rng: Source of the numbers by which whole numbers are spread.
        """
        from scipy.special import ndtr, ndtri

        values = variables.copy()
        for column in self.integers:
            values[:, column] += rng.random(len(values)) - 0.5
        end = max(-ndtri(0.5 / len(values)), 0.5)
        self.scores[number] = torch.linspace(-end, end, _NODES)
        levels = ndtr(self.scores[number].double().cpu().numpy())
        levels[0], levels[-1] = 0, 1
        for column in range(self.columns):
            table = np.quantile(values[:, column], levels)
            span = table[-1] - table[0]
            self.varies[number, column] = bool(span > 1e-9 * max(abs(table).max(), 1e-30))
            # ties leave no interval without a width
            table = table + max(span, 1e-12) * 1e-7 * np.arange(_NODES)
            self.quantiles[number, column] = torch.from_numpy(table)
        return self.to_normal(torch.from_numpy(values), number)[0].cpu().numpy()

    def to_normal(self, variables: Tensor, number: int) -> tuple[Tensor, Tensor]:
        """Variables as normal ones ``[n, columns]`` float64, and the logarithms of the slopes.

        Beyond the ends of a table the slope is that of the last interval; a variable that does not
        vary is 0.

        Args:
            variables: Variables of jets of one class, ``[n, columns]``.
            number: The class.
        """
        scores = self.scores[number].double()
        normal = torch.zeros_like(variables, dtype=torch.float64)
        slope = torch.zeros_like(normal)
        for column in self.varies[number].nonzero().flatten().tolist():
            table, value = self.quantiles[number, column], variables[:, column].double()
            at = torch.searchsorted(table, value.contiguous()).clamp(1, _NODES - 1)
            each = (scores[at] - scores[at - 1]) / (table[at] - table[at - 1])
            normal[:, column] = scores[at - 1] + (value - table[at - 1]) * each
            slope[:, column] = each.log()
        return normal, slope

    def from_normal(self, normal: Tensor, number: int) -> Tensor:
        """The inverse, within the range of the training jets, ``[n, columns]`` float32.

        Args:
            normal: Normal variables ``[n, columns]``.
            number: The class.
        """
        scores = self.scores[number]
        step = scores[1] - scores[0]
        place = ((normal - scores[0]) / step).clamp(0, _NODES - 1)
        below = place.floor().clamp(max=_NODES - 2).long()
        variables = []
        for column in range(self.columns):
            table, at = self.quantiles[number, column], below[:, column]
            value = torch.lerp(table[at], table[at + 1], (place[:, column] - at).double())
            if column in self.integers:
                value = value.round().clamp((table[0] + 0.49).ceil(), (table[-1] - 0.49).floor())
            variables.append(value)
        return torch.stack(variables, 1).float()
