"""What the class paths of a configuration may name, and where their modules are looked up.

jsonargparse takes a class path only where the class fits the type of the argument. These settings
close what its types leave open: functions and classes that run, load or fetch code, whatever their
type, and values of any type, which would otherwise be made into any object.
"""

from __future__ import annotations

import os
import pickle
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jsonargparse import set_parsing_settings

from pyg_jets.errors import InputError
from pyg_jets.files import read_config
from pyg_jets.training.arguments import join_options

__all__ = [
    "find_own_modules",
    "modules_of_arguments",
    "modules_of_values",
    "only_plain_loads",
    "refuse_foreign_code",
]

#: Beside what jsonargparse refuses, such as os, subprocess, pickle, builtins.eval: what loads or
#: runs code in the packages that are installed with this one, and callbacks of any function. Some
#: of these fit: PyG's Sequential is a network, and evaluates the types in its text.
_REFUSED = (
    "torch.load", "torch.hub", "torch.jit", "torch.package", "torch.multiprocessing", "torch.fx",
    "torch.distributed.nn", "torch.distributed.rpc", "torch.distributed.run",
    "torch.distributed.launch", "torch.distributed.launcher", "torch.distributed.elastic",
    "torch.utils.cpp_extension", "torch.utils.data.datapipes",
    "torch.serialization", "torch._dynamo", "torch._inductor", "numpy.load",
    "torch_geometric.nn.Sequential", "torch_geometric.nn.sequential", "torch_geometric.llm",
    "torch_geometric.io", "torch_geometric.template", "torch_geometric.inspector",
    "lightning.pytorch.callbacks.LambdaCallback", "lightning.pytorch.callbacks.lambda_function",
    "lightning.pytorch.core.module.LightningModule.load_from_checkpoint",
    "lightning.pytorch.core.datamodule.LightningDataModule.load_from_checkpoint",
    "IPython", "cloudpickle", "dask", "dill", "distributed", "fsspec", "jinja2", "joblib", "numba",
    "pandas", "requests", "setuptools", "sympy", "yaml",
    "torch_geometric.graphgym",
)  # fmt: skip
#: Data sets of PyG that unpickle or evaluate raw files, by the modules that define them.
_UNPICKLING = (
    "aqsol", "ba2motif_dataset", "ba_multi_shapes", "cornell", "deezer_europe",
    "facebook", "ged_dataset", "gemsec", "git_mol_dataset", "github", "gnn_benchmark_dataset",
    "lastfm_asia", "linkx_dataset", "lrgb", "mixhop_synthetic_dataset", "nell", "pascal",
    "planetoid", "protein_mpnn_dataset", "teeth3ds", "twitch", "wikipedia_network", "zinc",
)  # fmt: skip
_NAME = re.compile(r"(?<![\w./-])([A-Za-z_]\w*)(?:\.[A-Za-z_]\w*)+")


def refuse_foreign_code() -> None:
    """Set what class paths may not name, in this process; called before anything is parsed."""
    refused = [*_REFUSED, *(f"torch_geometric.datasets.{name}" for name in _UNPICKLING)]
    set_parsing_settings(import_path_denylist=refused, instantiate_subclass_spec_in_any=False)


@contextmanager
def only_plain_loads() -> Iterator[None]:
    """Have ``torch.load`` load nothing but tensors and plain values while the block runs.

    PyG and Lightning ask for more in places, such as for a data set that was processed by others.

    Raises:
        InputError: For a file that holds more.
    """
    names = ("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ[names[0]] = "1"
    try:
        yield
    except pickle.UnpicklingError as error:
        raise InputError(
            "A file that was to be loaded holds more than tensors and plain values, which could "
            f"run a stranger's code ({str(error).splitlines()[0]}): make it again."
        ) from error
    finally:
        del os.environ[names[0]]
        os.environ.update({name: text for name, text in before.items() if text is not None})


def find_own_modules(names: Iterable[str]) -> None:
    """Have Python look for modules in the working folder too, if it holds one of these.

    A folder whose modules no class path names stays out, as its files may be a stranger's. Modules
    that are installed come first.

    Args:
        names: Names of modules, without what stands behind a dot.
    """
    folder = Path.cwd()
    if {"", str(folder)} & set(sys.path):
        return
    for name in set(names):
        is_there = (folder / f"{name}.py").is_file() or any((folder / name).glob("*.py"))
        if is_there and find_spec(name) is None:
            sys.path.append(os.fspath(folder))
            return


def modules_of_arguments(arguments: Sequence[str]) -> Iterator[str]:
    """Names of the modules that a command line and its configurations may name.

    Args:
        arguments: The arguments.

    Examples:
        >>> sorted(modules_of_arguments(["fit", "--model.network", "{class_path: mine.Net}"]))
        ['mine']
    """
    for argument in join_options(arguments):
        option, _, value = argument.partition("=")
        if option == "--config" or value.endswith((".yaml", ".yml")):
            yield from modules_of_values(read_config(value))
        else:
            yield from modules_of_values(value)


def modules_of_values(value: Any) -> Iterator[str]:
    """Names of the modules that plain values may name as ``module.Class``.

    Args:
        value: Text, or lists and mappings of it.
    """
    if isinstance(value, str):
        yield from _NAME.findall(value)
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from modules_of_values(each)
