"""The sweeps of the study of generators: all points are parsed, and labels tell them apart."""

import itertools

import pytest

from pyg_jets.runs import Point, Run
from pyg_jets.scan import point_arguments, read_sweep
from pyg_jets.studies import Study
from pyg_jets.studies.generation.claims import GOALS
from pyg_jets.training.arguments import flatten_arguments, join_options
from pyg_jets.training.cli import check_arguments

STUDY = Study.load("generation")


def points_of(stem):
    """The points of a grid, each once of those that differ in nothing but their seed."""
    sweep = read_sweep(STUDY.sweep_file(stem))
    values = {
        name: d.choices[:1] if name == "seed_everything" else d.choices
        for name, d in sweep.parameters.items()
    }
    for chosen in itertools.product(*values.values()):
        point = dict(zip(values, chosen, strict=True))
        arguments = flatten_arguments(join_options(point_arguments(sweep, point)))
        yield check_arguments(arguments)


@pytest.mark.slow
@pytest.mark.parametrize("name", [section.name for section in STUDY.sections])
def test_labels_tell_the_trainings_of_a_section_apart(name, tmp_path):
    (section,) = (each for each in STUDY.sections if each.name == name)
    for quick in (False, True):
        keys = [
            section.key(Point(Run(tmp_path, provenance={"labels": dict(config.labels), "seed": 1})))
            for stem in section.sweeps(quick)
            for config in points_of(stem)
        ]
        assert len(set(keys)) == len(keys), keys


def test_goals_are_those_of_sections():
    assert set(GOALS) == {section.name for section in STUDY.sections} | {"sampling"}
