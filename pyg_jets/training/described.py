"""The configuration of a run that was made from Python, as far as plain values describe it."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from pyg_jets.training.data import JetDataModule
from pyg_jets.training.generator import Generator
from pyg_jets.training.task import JetTask

__all__ = ["describe", "describe_run"]

#: Arguments of a task that are plain values.
_PLAIN = ("standardize", "fresh_norms", "clip", "scheduler_interval")


def describe_run(task: JetTask, data: Any) -> dict[str, Any]:
    """The tree of ``config.yaml`` from which :func:`pyg_jets.load_run` builds the model.

    Args:
        task: The task.
        data: The data module.

    Returns:
        ``task``, ``model`` and, where plain values say all that happens to the jets,
        ``data.features``; with ``not_described``, a reason, in place of a model that they do not
        describe.
    """
    tree: dict[str, Any] = {"task": "generate" if isinstance(task, Generator) else "tag"}
    try:
        model = {"network": describe(task.network), "loss": describe(task.loss)}
        plain = {name: getattr(task, name) for name in _PLAIN if hasattr(task, name)}
        tree["model"] = model | plain
    except ValueError as error:
        tree["not_described"] = str(error)
    is_plain = isinstance(data, JetDataModule) and data.eval_transform is None
    if is_plain and data.train_transform is None:
        tree["data"] = {"features": describe(data.features)}
        if data.jet_features is not None:
            tree["data"]["jet_features"] = list(data.jet_features.names)
    return tree


def describe(thing: Any) -> dict[str, Any]:
    """Class path and arguments of an object, which build the same one again.

    The arguments are those that it prints, if it prints a call with plain values, else its
    attributes of the same names. A module is built from them, to see that its weights fit.

    Args:
        thing: A module, or another object.

    Raises:
        ValueError: With the reason, if they do not describe it.

    Examples:
        >>> from pyg_jets.nn import PFN
        >>> described = describe(PFN(3, phi=(8,), f=(8,)))
        >>> described["class_path"], described["init_args"]["phi"]
        ('pyg_jets.nn.models.pfn.PFN', [8])
        >>> describe(nn.Sequential(nn.Linear(3, 1)))
        Traceback (most recent call last):
        ...
        ValueError: Sequential keeps no plain value of its argument args
    """
    kind = type(thing)
    name = kind.__qualname__
    try:
        is_found = getattr(importlib.import_module(kind.__module__), name, None) is kind
    except ImportError:
        is_found = False
    if not is_found or kind.__module__ == "__main__":
        raise ValueError(f"{name} is no class of a module that can be imported")
    arguments = _printed(thing)
    if arguments is None:
        arguments = _kept(thing)
    tree = {"class_path": f"{kind.__module__}.{name}", "init_args": _plain(arguments)}
    if isinstance(thing, nn.Module) and not _fits(thing, arguments):
        raise ValueError(f"{name} is not the same when it is built from {arguments}")
    return tree


def _printed(thing: Any) -> dict[str, Any] | None:
    """The arguments of the call that an object prints as, or ``None`` if it prints otherwise."""
    names = inspect.signature(type(thing)).parameters
    try:
        call = ast.parse(repr(thing), mode="eval").body
        if not isinstance(call, ast.Call) or call.args or ast.unparse(call.func) != _name(thing):
            return None
        arguments = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError):
        return None
    return arguments if arguments and set(arguments) <= set(names) else None


def _name(thing: Any) -> str:
    return type(thing).__name__


def _kept(thing: Any) -> dict[str, Any]:
    """The attributes named as the arguments of an object."""
    arguments: dict[str, Any] = {}
    if type(thing).__init__ is nn.Module.__init__:
        return arguments
    for name, parameter in inspect.signature(type(thing)).parameters.items():
        value = getattr(thing, name, parameter.empty)
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        if value is parameter.empty or not _is_plain(value):
            raise ValueError(f"{_name(thing)} keeps no plain value of its argument {name}")
        arguments[name] = value
    return arguments


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, Mapping):
        return all(isinstance(k, str) and _is_plain(v) for k, v in value.items())
    return value is None or isinstance(value, str | int | float)


def _plain(value: Any) -> Any:
    """The same with lists in place of tuples, as YAML has it."""
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return value


def _fits(module: nn.Module, arguments: Mapping[str, Any]) -> bool:
    """Whether a module that is built from these arguments has weights of the same shapes."""
    with torch.random.fork_rng(devices=[]):
        try:
            again = type(module)(**arguments)
        except (TypeError, ValueError):
            return False
    shapes, others = _shapes(module), _shapes(again)
    return shapes.keys() == others.keys() and all(
        None in (shape, others[name]) or shape == others[name] for name, shape in shapes.items()
    )


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...] | None]:
    """The shape of each weight, ``None`` where a lazy one has none yet."""
    return {
        name: None if is_lazy(value) else tuple(value.shape)
        for name, value in module.state_dict(keep_vars=True).items()
    }
