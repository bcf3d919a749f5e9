"""Data sets spell out their arguments, and the shared ones are the same everywhere."""

import inspect
import re
from functools import cache

import pytest

from pyg_jets.datasets import DATASETS, JetDataset
from pyg_jets.datasets.base import GeneratedDataset
from pyg_jets.datasets.file_dataset import FileDataset

#: Arguments of PyG's own data sets, and those that every data set of this package has besides.
SHARED = ("root", "split", "transform", "pre_transform", "pre_filter", "force_reload")
#: Arguments whose description depends on the data set.
DESCRIBED_BY_CLASS = ("root", "split", "features")
OF_FILES = [kind for kind in DATASETS if issubclass(kind, FileDataset)]
#: An argument that stands in for a shared one, by class.
INSTEAD = {"SparseMNIST": {"max_particles": "n_pixels"}}

every = pytest.mark.parametrize("kind", DATASETS, ids=lambda kind: kind.__name__)
of_files = pytest.mark.parametrize("kind", OF_FILES, ids=lambda kind: kind.__name__)


def parameters(kind):
    return dict(list(inspect.signature(kind.__init__).parameters.items())[1:])


@cache
def described(kind) -> dict[str, str]:
    """The text of each entry of ``Args:`` in the docstring of a class, on one line."""
    args = inspect.getdoc(kind).split("Args:\n", 1)[1]
    args = re.split(r"\n(?=\S)", args)[0]
    entries = re.findall(r"^    (\w+): (.*(?:\n      .*)*)", args, re.M)
    return {name: " ".join(text.split()) for name, text in entries}


@every
def test_no_argument_is_hidden(kind):
    kinds = {parameter.kind for parameter in parameters(kind).values()}
    assert not kinds & {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}


@every
def test_every_argument_has_a_type_and_is_described(kind):
    for name, parameter in parameters(kind).items():
        assert parameter.annotation is not inspect.Parameter.empty, name
    missing = [name for name in parameters(kind) if name not in described(kind)]
    assert not missing, f"the docstring of {kind.__name__} says nothing of {missing}"
    unknown = [name for name in described(kind) if name not in parameters(kind)]
    assert not unknown, f"the docstring of {kind.__name__} describes {unknown}"


@every
def test_arguments_of_pyg(kind):
    ours, base = parameters(kind), parameters(JetDataset)
    for name in SHARED:
        assert ours[name].annotation == base[name].annotation, name
        if name not in ("root", "split"):
            assert ours[name].default == base[name].default, name
    assert ours["split"].default is None


@of_files
def test_arguments_of_data_sets_of_files(kind):
    ours, base = parameters(kind), parameters(FileDataset)
    instead = INSTEAD.get(kind.__name__, {})
    for name, parameter in base.items():
        if name in instead:
            assert instead[name] in ours
            continue
        assert ours[name].annotation == parameter.annotation, name
        assert ours[name].default == parameter.default, name
        if name not in ("root", "split"):
            assert ours[name].kind is inspect.Parameter.KEYWORD_ONLY, name
        if name not in DESCRIBED_BY_CLASS:
            assert described(kind)[name] == described(FileDataset)[name], name


@pytest.mark.parametrize(
    "kind", [k for k in DATASETS if issubclass(k, GeneratedDataset)], ids=lambda kind: kind.__name__
)
def test_arguments_of_generated_data_sets(kind):
    assert parameters(kind)["split_fractions"].default == (0.5, 0.15, 0.35)
