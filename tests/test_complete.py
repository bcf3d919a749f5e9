"""What belongs to each model, data set, loss, figure and study: a failure lists what is missing."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import pyg_jets.datasets
import pyg_jets.losses
import pyg_jets.nn.models
import pyg_jets.report.figures
from pyg_jets import nn as jets_nn
from pyg_jets.datasets import DATASETS
from pyg_jets.io.cards import card_names, read_card
from pyg_jets.nn import GENERATORS, MODELS
from pyg_jets.studies import Study, list_studies

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pyg_jets"


def snake(name: str) -> str:
    """The name of a class's file: ``ParticleNetLite`` is in ``particle_net_lite``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def text_of(*places: str) -> str:
    """The text of files below the checkout, by name or pattern."""
    return "\n".join(path.read_text() for place in places for path in sorted(ROOT.glob(place)))


def dotted(path: Path) -> str:
    """The name by which a file of the package is imported."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def exported(package, kind=inspect.isclass) -> dict[str, object]:
    """What the modules of a package export, by name."""
    found = {}
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        loaded = importlib.import_module(module.name)
        names = getattr(loaded, "__all__", ())
        found |= {
            n: v for n in names if kind(v := getattr(loaded, n)) and v.__module__ == module.name
        }
    return found


def missing(*checks: tuple[bool, str]) -> list[str]:
    return [remedy for holds, remedy in checks if not holds]


def missing_of_model(name: str) -> list[str]:
    kinds = {cls.__name__ for cls in (*MODELS, *GENERATORS)}
    taggers = {cls.__name__ for cls in MODELS}
    tested = text_of(
        "tests/nn/test_models.py",
        "tests/nn/test_autoencoders.py",
        "tests/nn/test_autoregressive_jets.py",
        "tests/nn/test_*_vae.py",
    )
    return missing(
        (name in kinds, f"pyg_jets/nn/__init__.py: add {name} to MODELS or GENERATORS"),
        (name in jets_nn.__all__, f"pyg_jets/nn/__init__.py: export {name}"),
        (
            bool(re.search(rf"\b{name}\b", tested)),
            f"tests/nn/test_models.py: small arguments and the printed form of {name} in SMALL",
        ),
        (
            name not in taggers or (PACKAGE / f"configs/models/{snake(name)}.yaml").is_file(),
            f"pyg_jets/configs/models/{snake(name)}.yaml: a configuration of {name}",
        ),
        (f"`{name}`" in text_of("docs/networks.md"), f"docs/networks.md: a row for `{name}`"),
    )


def missing_of_dataset(name: str) -> list[str]:
    cards = {read_card(card)["class"]: card for card in card_names()}
    tested = text_of("tests/datasets/test_contract.py", "tests/datasets/layouts/*.py")
    return missing(
        (
            name in {cls.__name__ for cls in DATASETS},
            f"pyg_jets/datasets/__init__.py: add {name} to DATASETS",
        ),
        (name in cards, f"datasets/{snake(name)}/README.md: a card with class: {name}"),
        (
            bool(re.search(rf"\b{name}\b", tested)),
            f"tests/datasets/layouts/{snake(name)}.py: a Layout that writes its files, or "
            f"arguments of {name} in SMALL of tests/datasets/test_contract.py",
        ),
        (name in text_of("docs/datasets.md"), f"docs/datasets.md: a section on {name}"),
    )


def missing_of_loss(name: str) -> list[str]:
    return missing(
        (
            name in pyg_jets.losses.__all__,
            f"pyg_jets/losses/__init__.py: export {name}",
        ),
        (
            bool(re.search(rf"\b{name}\b", text_of("tests/losses/*.py", "tests/nn/*.py"))),
            f"tests/losses/: a test of {name} against an independent computation",
        ),
        (f"`{name}" in text_of("docs/networks.md"), f"docs/networks.md: a sentence on `{name}`"),
    )


def missing_of_figure(name: str, module: str = "") -> list[str]:
    places = [*(PACKAGE / "report").rglob("*.py"), *(PACKAGE / "studies").rglob("*.py")]
    others = "\n".join(path.read_text() for path in places if dotted(path) != module)
    shown = re.search(rf"\b{name}\b", others)
    return missing((shown is not None, f"pyg_jets/report/: a page that shows {name}"))


def missing_of_study(folder: Path) -> list[str]:
    name, place = folder.name, f"pyg_jets/studies/{folder.name}"
    if not (folder / "README.md").is_file():
        return [f"{place}/README.md: what is asked, the source, how to run it, what it costs"]
    study = Study.load(folder)
    heads = [
        (bool(study.head.get(key)), f"{place}/README.md: {key}: in its YAML head")
        for key in ("title", "source", "cost", "quick_cost")
    ]
    return missing(
        *heads,
        ((folder / "__init__.py").is_file(), f"{place}/__init__.py: an empty file, for wheels"),
        (
            (folder / "base.yaml").is_file() or bool(study.sections),
            f"{place}/base.yaml: the base configuration",
        ),
        (bool(study.sweeps) or bool(study.sections), f"{place}/sweep.yaml: a sweep file"),
        (
            bool(study.quick or study.sections) or bool(study.module("measures")),
            f"{place}/sweep_quick.yaml: the same with fewer jets",
        ),
        (
            name in text_of("tests/studies/*.py"),
            f"tests/studies/test_{name}.py: a quick run ends in a page with its numbers",
        ),
        (
            (ROOT / f"docs/results/{name}.md").is_file(),
            f"docs/results/{name}.md: written by pyg-jets study run {name}",
        ),
    )


#: Base classes, and what a model returns.
NO_MODELS = {"Reconstruction", "VariationalAutoencoder"}
NO_DATASETS = {"FileDataset", "GeneratedDataset", "JetDataset"}
NO_LOSSES = {"TermLoss"}
MODEL_NAMES = sorted(
    name
    for name, cls in exported(pyg_jets.nn.models).items()
    if hasattr(cls, "forward") and name not in NO_MODELS
)
DATASET_NAMES = sorted(
    name
    for name, cls in exported(pyg_jets.datasets).items()
    if issubclass(cls, pyg_jets.datasets.JetDataset) and name not in NO_DATASETS
)
LOSS_NAMES = sorted(
    name
    for name, cls in exported(pyg_jets.losses).items()
    if hasattr(cls, "forward") and name not in NO_LOSSES
)
FIGURES = {
    name: draw.__module__
    for name, draw in exported(pyg_jets.report.figures, inspect.isfunction).items()
    if name.startswith("draw")
}


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_a_model_is_complete(name):
    assert missing_of_model(name) == []


@pytest.mark.parametrize("name", DATASET_NAMES)
def test_a_data_set_is_complete(name):
    assert missing_of_dataset(name) == []


@pytest.mark.parametrize("name", LOSS_NAMES)
def test_a_loss_is_complete(name):
    assert missing_of_loss(name) == []


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_complete(name):
    assert missing_of_figure(name, FIGURES[name]) == []


@pytest.mark.parametrize("name", list_studies())
def test_a_study_is_complete(name):
    assert missing_of_study(PACKAGE / "studies" / name) == []


def test_nothing_is_overlooked():
    assert len(MODEL_NAMES) >= len(MODELS) + len(GENERATORS)
    assert set(DATASET_NAMES) >= {cls.__name__ for cls in DATASETS}
    assert len(FIGURES) > 5
    folders = {
        path.name for path in (PACKAGE / "studies").iterdir() if (path / "__init__.py").is_file()
    }
    assert folders == set(list_studies())


def test_what_is_missing_is_listed(tmp_path):
    model = missing_of_model("MaxTagger")
    assert "pyg_jets/nn/__init__.py: add MaxTagger to MODELS or GENERATORS" in model
    assert "docs/networks.md: a row for `MaxTagger`" in model
    assert "datasets/my_jets/README.md: a card with class: MyJets" in missing_of_dataset("MyJets")
    assert len(missing_of_loss("FocalLoss")) == 3
    assert len(missing_of_figure("draw_nothing_of_the_kind")) == 1
    study = tmp_path / "mystudy"
    study.mkdir()
    assert missing_of_study(study)[0].startswith("pyg_jets/studies/mystudy/README.md")
    (study / "README.md").write_text("---\ntitle: Mine\n---\nWhy?\n")
    assert "pyg_jets/studies/mystudy/base.yaml: the base configuration" in missing_of_study(study)
