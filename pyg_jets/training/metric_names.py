"""`logged_metrics`: what a run will log, before it runs, for sweeps and monitors that name one."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import torch
from jsonargparse import ArgumentParser
from torch import nn

from pyg_jets.training.class_paths import only_plain_loads
from pyg_jets.training.cli import TASKS
from pyg_jets.training.generator import Generator
from pyg_jets.training.selection import SelectByEMD
from pyg_jets.transforms import TAGGER_FEATURES

__all__ = ["LoggedMetrics", "logged_metrics"]


class LoggedMetrics(NamedTuple):
    """The metrics that a run logs.

    Args:
        names: Their names; ``*`` in one stands for any text, such as the name of a class.
        complete: Whether there are no others. Callbacks of a user may log more.
    """

    names: frozenset[str]
    complete: bool

    def has(self, name: str) -> bool:
        """Whether a metric is logged.

        Args:
            name: Its name.

        Examples:
            >>> metrics = LoggedMetrics(frozenset({"val/loss", "test/auc_*"}), complete=True)
            >>> metrics.has("test/auc_top"), metrics.has("val/auc")
            (True, False)
        """
        return any(fnmatchcase(name, pattern) for pattern in self.names)


@only_plain_loads()
def logged_metrics(config: Any) -> LoggedMetrics:
    """What a run of a configuration logs, by its network and its loss.

    Both are made and applied to a few made-up jets. Where that fails, as with a network that takes
    jets of another kind, nothing is known.

    Args:
        config: The configuration, as :func:`~pyg_jets.training.cli.check_arguments` returns it.
    """
    data = config.data
    with_variants = bool(data.get("train_transform") or data.get("eval_transform"))
    with_variants = with_variants and data.get("spread_angles", 0) > 1
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            task: Any = TASKS[config.task](**_made(config.model, ("network", "loss")))
            names = _names(task, _n_features(data), with_variants)
    except Exception:  # whatever a network or a loss raises for jets that it is not made for
        return LoggedMetrics(frozenset(), complete=False)
    if isinstance(task, Generator):
        of_features = {name.partition("emd_")[2]: 0.0 for name in names if "/emd_" in name}
        names |= set(SelectByEMD().rank(of_features))
    return LoggedMetrics(frozenset(names), complete=not config.trainer.get("callbacks"))


def _names(task: Any, n_features: int | None, with_variants: bool) -> set[str]:
    """The names that the task gives, with as many features as asked for or as usual."""
    usual = len(task.columns if isinstance(task, Generator) else TAGGER_FEATURES)
    if n_features is not None and n_features != usual:
        try:
            return task.metric_names(n_features, with_variants)
        except Exception:  # a transform may make others
            pass
    return task.metric_names(usual, with_variants)


def _made(model: Any, names: tuple[str, ...]) -> dict[str, Any]:
    parser = ArgumentParser()
    for name in names:
        parser.add_argument(f"--{name}", type=nn.Module | None)
    parsed = parser.parse_object({name: model.get(name) for name in names})
    return {name: parser.instantiate(parsed)[name] for name in names}


def _n_features(data: Any) -> int | None:
    """Number of features of a particle, as far as a configuration says it."""
    dataset = (data.get("dataset") or {}).get("init_args") or {}
    seen = (data.get("train_transform") or {}).get("init_args") or {}
    asked: Any = data.get("features") or dataset.get("features") or seen.get("names")
    if not asked or isinstance(asked, list | tuple):
        return len(asked) if asked else None
    names = (asked.get("init_args") or asked).get("names")  # of Features(names=…)
    return len(names) if names else None
