"""One set of options and defaults, whichever way jets are asked for."""

import inspect
from dataclasses import fields

import pytest

from pyg_jets.cli.generate import generate
from pyg_jets.cli.main import command_parser
from pyg_jets.datasets import PythiaJets
from pyg_jets.events import PythiaOptions, folder, pythia

NAMES = [field.name for field in fields(PythiaOptions)]


@pytest.mark.parametrize("name", NAMES)
def test_the_data_set_has_the_same_defaults(name):
    signature = inspect.signature(PythiaJets).parameters
    assert signature[name].default == getattr(PythiaOptions(), name)


@pytest.mark.parametrize(
    "function", [pythia.generate, pythia.generate_with_cut_flow, folder.generate_folder]
)
def test_functions_take_the_options_alone(function):
    signature = inspect.signature(function).parameters
    assert signature["options"].default == PythiaOptions()
    assert not set(NAMES) & set(signature)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], PythiaOptions()),
        (
            ["--pt", "400", "500", "--eta-max", "1.5", "--radius", "0.4", "--pthat", "0.7", "2",
             "--setting", "Tune:pp = 14", "--setting", "Tune:ee = 7", "--shower", "vincia",
             "--seed", "5", "--events-per-chunk", "30", "--tune", "cp5",
             "--hadronization", "ropes"],
            PythiaOptions((400, 500), 1.5, 0.4, (0.7, 2), ("Tune:pp = 14", "Tune:ee = 7"),
                          "vincia", 5, 30, "cp5", "ropes"),
        ),
        (["--pthat", "biased", "--tune", "21"], PythiaOptions(pthat="biased", tune=21)),
        (["--pthat", "0.5:0.8:2.5", "0.8:1.6"], PythiaOptions(pthat=((0.5, 0.8, 2.5), (0.8, 1.6)))),
        (["--shower-variations"], PythiaOptions(shower_variations=True)),
        (["--shower-variations", "isr_up", "fsr_down"],
         PythiaOptions(shower_variations=("isr_up", "fsr_down"))),
    ],
)  # fmt: skip
def test_the_command_has_the_same_defaults_and_gives_every_option(words, expected, monkeypatch):
    asked = []

    def generate_folder(processes, n_jets, out, options, workers, scheduler):
        asked.append(options)
        return {}

    monkeypatch.setattr(folder, "generate_folder", generate_folder)
    monkeypatch.setattr(folder, "read_cut_flows", lambda out: {})
    monkeypatch.setattr(folder, "read_cross_sections", lambda out: {})
    words = ["generate", "--process", "w", "--jets", "5", "--out", "jets", *words]
    generate(command_parser().parse_args(words))
    assert asked == [expected]


def test_the_data_set_gives_every_option(tmp_path, monkeypatch):
    asked = []

    def generate_folder(processes, n_jets, out, options, workers, scheduler):
        asked.append(options)
        raise InterruptedError

    monkeypatch.setattr("pyg_jets.datasets.pythia.generate_folder", generate_folder)
    options = {"pt": (400, 500), "eta_max": 1.5, "radius": 0.4, "pthat": (0.7, 2), "seed": 5}
    options |= {"settings": ("Tune:ee = 7",), "shower": "simple", "events_per_chunk": 30}
    options |= {"tune": 21, "hadronization": "ropes", "shower_variations": ("fsr_up",)}
    assert set(options) == set(NAMES)
    with pytest.raises(InterruptedError):
        PythiaJets(tmp_path, **options)
    assert asked == [PythiaOptions(**options)]


def test_folders_keep_their_names(tmp_path):
    """The names that the first version gave: others would generate everybody's jets anew."""
    raw = {}
    for pthat, n in (((0.8, 1.6), 250), ((0.8, 1.6), 251), ("sliced", 250)):
        dataset = PythiaJets.__new__(PythiaJets)
        dataset.root, dataset.options = tmp_path, PythiaOptions(pthat=pthat, events_per_chunk=n)
        raw[pthat, n] = dataset.raw_dir
    assert raw[(0.8, 1.6), 250].endswith("cddc9164a8ce")
    assert len(set(raw.values())) == 3
