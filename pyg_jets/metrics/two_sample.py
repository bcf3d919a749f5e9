r"""Two-sample tests by a classifier: how well it tells generated jets from real ones.

An AUC of 0.5 means that the classifier sees no difference in what it reads; what it does not read
may still differ, so the result names its inputs and sizes. The real jets against other real jets of
the same sizes give the floor, which is 0.5 within its error. Networks that read particles are in
:mod:`pyg_jets.training.two_sample`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pyg_jets.errors import InputError
from pyg_jets.metrics.inputs import as_numpy, jet_weights
from pyg_jets.metrics.observables import observable_table
from pyg_jets.metrics.resampling import bootstrap
from pyg_jets.metrics.tagging import auc

__all__ = ["TwoSample", "two_sample_auc_tree", "two_sample_split"]

#: Fewest jets of a class, of which half train and half test.
_FEWEST = 20


class TwoSample(NamedTuple):
    """The AUC of a classifier of generated against real jets, and what it was measured with.

    Args:
        value: AUC on the jets that were held out; 0.5 if the classifier sees no difference.
        error: Its standard error over bootstrap samples of these jets. It does not hold how the
            AUC changes with the training jets and the seed.
        inputs: What the classifier reads.
        n_made: Number of generated jets, training and test together.
        n_real: Number of real jets.
    """

    value: float
    error: float
    inputs: tuple[str, ...]
    n_made: int
    n_real: int


def two_sample_auc_tree(
    made: Mapping[str, Any],
    real: Mapping[str, Any],
    observables: Sequence[str] | None = None,
    n: int | None = None,
    seed: int = 0,
    made_weights: Any = None,
    real_weights: Any = None,
    made_ids: Any = None,
    real_ids: Any = None,
    iterations: int = 120,
    resamples: int = 100,
) -> TwoSample:
    """Tell generated from real jets by gradient-boosted trees on observables.

    The classifier is :class:`sklearn.ensemble.HistGradientBoostingClassifier` with a learning rate
    of 0.08 and no early stopping. Half of the jets train it, the other half gives the AUC. Both
    classes have the same sum of weights in training.

    Args:
        made: Observables of the generated jets, ``{name: [J]}``, such as those of
            :func:`~pyg_jets.metrics.observables.jet_observables` or, of a response,
            :func:`~pyg_jets.metrics.observables.pair_observables`.
        real: The same of the real jets, ``{name: [J']}``.
        observables: Which to read. Default: all of ``made``.
        n: Jets of each class, the first ones. Default: all.
        seed: Seed of the halves, of the trees and of the bootstrap.
        made_weights: A weight for each generated jet, not negative, ``[J]``. Default: all count the
            same.
        real_weights: A weight for each real jet, likewise, ``[J']``.
        made_ids: A number for each generated jet, ``[J]``: jets of one number, such as a jet after
            two responses to one GEN jet, are in the same half. Default: each jet is on its own.
        real_ids: That of each real jet, ``[J']``.
        iterations: Number of trees. Default: 120.
        resamples: Number of bootstrap samples. Default: 100.

    Returns:
        The AUC on the other half, its error, the observables, and the numbers of jets.

    Raises:
        InputError: For an observable that is missing or not finite (the jet is named), for fewer
            than 20 jets of a class, or fewer than ``n``.

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> real, shifted = ({"mass": 80 + s + rng.normal(size=2000)} for s in (0, 1))
        >>> test = two_sample_auc_tree(shifted, real)
        >>> test.inputs, 0.70 < test.value < 0.80
        (('mass',), True)
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits  # scikit-learn depends on it

    names, x_made = observable_table(made, observables, "generated")
    _, x_real = observable_table(real, names, "real")
    sizes = [check_size(n, len(x), what) for x, what in ((x_made, "generated"), (x_real, "real"))]
    weight = np.concatenate([
        balanced(jet_weights(given, len(x), f"{what}_weights")[:size])
        for given, x, size, what in (
            (made_weights, x_made, sizes[0], "made"),
            (real_weights, x_real, sizes[1], "real"),
        )
    ])  # fmt: skip
    x = np.concatenate([x_made[: sizes[0]], x_real[: sizes[1]]])
    label = np.repeat([0, 1], sizes)
    trains, ids = two_sample_split(sizes, (made_ids, real_ids), seed)
    tree = HistGradientBoostingClassifier(
        max_iter=iterations, learning_rate=0.08, early_stopping=False, random_state=seed
    )
    with threadpool_limits(1, "openmp"):  # loader workers may fork afterwards
        tree.fit(x[trains], label[trains], weight[trains])
        score = tree.decision_function(x[~trains])
    held = label[~trains]
    # what is real scores high, so that an AUC above 0.5 tells the samples apart
    value, error = bootstrap(
        auc, score, held, resamples, seed, weight[~trains], None if ids is None else ids[~trains]
    )
    return TwoSample(value, error, names, *sizes)


def check_size(n: int | None, n_jets: int, what: str) -> int:
    """Number of jets of a class to take, of ``n_jets`` that there are.

    Raises:
        InputError: If there are fewer than 20, or fewer than ``n``.
    """
    wanted = n_jets if n is None else n
    if not _FEWEST <= wanted <= n_jets:
        raise InputError(
            f"Expected n of at least {_FEWEST} and at most the {n_jets} {what} jets, but got "
            f"{wanted}: half of them train the classifier and half test it."
        )
    return wanted


def balanced(weight: np.ndarray) -> np.ndarray:
    """Weights of one class with a mean of 1, so that both classes count the same."""
    return weight * (len(weight) / weight.sum())


def two_sample_split(
    sizes: Sequence[int], ids: Sequence[Any], seed: int, share: float = 0.5
) -> tuple[np.ndarray, np.ndarray | None]:
    """Which jets of two classes train, a share of each; jets of one number stay together.

    Args:
        sizes: Numbers of jets of the two classes.
        ids: Numbers of the jets of each class, at least as many; or ``None`` for each class.
        seed: Seed of the split.
        share: Share of the jets, or of the numbers, that train. Default: one half.

    Returns:
        Whether each jet trains, ``[J + J']`` bool, and the numbers of the jets, ``[J + J']``, or
        ``None``.

    Raises:
        InputError: If only one class has numbers, or there are too few of them.

    Examples:
        >>> trains, ids = two_sample_split((4, 4), ([0, 1, 2, 3], [0, 1, 2, 3]), seed=0)
        >>> bool((trains[:4] == trains[4:]).all()), int(trains.sum())
        (True, 4)
    """
    rng = np.random.default_rng(seed)
    if (ids[0] is None) != (ids[1] is None):
        raise InputError("Expected made_ids and real_ids, but got only one of them.")
    if ids[0] is None:
        parts = [rng.permutation(size) < share * size for size in sizes]
        return np.concatenate(parts), None
    numbers = []
    for given, size in zip(ids, sizes, strict=True):
        number = as_numpy(given).reshape(-1)
        if len(number) < size or number.dtype.kind not in "iu":
            raise InputError(
                f"Expected ids as integers, one for each of {size} jets, but got {len(number)} of "
                f"{number.dtype}."
            )
        numbers.append(number[:size].astype(np.int64))
    number = np.concatenate(numbers)
    unique, which = np.unique(number, return_inverse=True)
    trains = (rng.permutation(len(unique)) < share * len(unique))[which.reshape(-1)]
    label = np.repeat([0, 1], sizes)
    for part in (trains, ~trains):
        if len(np.unique(label[part])) < 2:
            raise InputError("Expected ids that leave jets of both classes to train and to test.")
    return trains, number
