"""Sections of a study are run one at a time, go on from archives, and are judged by goals."""

import csv

import pytest

from pyg_jets.cli import main
from pyg_jets.studies import Study, StudyRun, run_study
from pyg_jets.studies.archive import archive_measures, unpack
from pyg_jets.studies.generation.claims import GOALS
from pyg_jets.studies.goals import Goal, Limit, Numbers
from pyg_jets.studies.page import CSV_COLUMNS
from pyg_jets.studies.section import Section

SECTIONS = """
from pyg_jets.studies.section import Section


class Numbered(Section):
    def measure(self, study_run):
        study_run.measure(f"{self.name}-size", lambda size: self.made(study_run, size), size=SIZE)

    def made(self, study_run, size):
        with (study_run.files(f"{self.name}-size") / "log.txt").open("a") as stream:
            stream.write("made\\n")
        return size

    def write(self, page, study_run):
        page.number("sizes", self.name, "size", study_run.measured(f"{self.name}-size"))


class First(Numbered):
    name, title = "first", "The first"


class Second(Numbered):
    name, title = "second", "The second"


SECTIONS = (First(), Second())
"""
PAGE = """
from pyg_jets.studies import Page


def page(run):
    page = Page(run.study.name, "Sections")
    for section in run.study.sections:
        if section.is_measured(run):
            page.heading(section.title)
            section.write(page, run)
    return page
"""


def study_of_sections(folder, size=3):
    folder.mkdir()
    (folder / "README.md").write_text("# Sections\n\nAre they apart?\n")
    (folder / "sections.py").write_text(f"SIZE = {size}\n{SECTIONS}")
    (folder / "page.py").write_text(PAGE)
    return Study.load(folder)


def made(run, section):
    path = run / "measures" / f"{section}-size" / "log.txt"
    return path.read_text().count("made") if path.is_file() else 0


def test_a_section_is_run_alone_and_the_rest_later(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    study_of_sections(tmp_path / "study_in_parts")
    run = tmp_path / "runs/studies/study_in_parts"
    assert main(["study", "run", "./study_in_parts", "--only", "second"]) == 0
    assert "second: The second" in capsys.readouterr().out
    page = run / "study_in_parts.md"
    assert "## The second" in page.read_text()
    assert "## The first" not in page.read_text()
    assert main(["study", "run", "./study_in_parts"]) == 0
    assert [line for line in page.read_text().splitlines() if line.startswith("## ")] == [
        "## The first", "## The second",
    ]  # fmt: skip
    assert (made(run, "first"), made(run, "second")) == (1, 1)
    assert main(["study", "run", "./study_in_parts", "--only", "secnd"]) == 2
    assert "no section secnd, but first, second" in capsys.readouterr().err


def test_a_run_goes_on_from_archives(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = study_of_sections(tmp_path / "study_archived")
    one = StudyRun(study, tmp_path / "one", only=["first"])
    run_study(one)
    packed = tmp_path / "measures.tar.gz"
    packed.write_bytes(archive_measures(one))
    words = ["study", "run", str(study.folder), "--out", str(tmp_path / "two")]
    assert main([*words, "--from", str(packed)]) == 0
    two = tmp_path / "two"
    assert (made(two, "first"), made(two, "second")) == (1, 1)
    (two / "measures" / "second-size.json").write_text("{}")
    unpack(study, [packed], two)  # what the folder has already is kept
    assert (two / "measures" / "second-size.json").read_text() == "{}"


def test_a_changed_input_is_measured_again(tmp_path):
    run = StudyRun(study_of_sections(tmp_path / "study_changed"), tmp_path / "run")
    run_study(run)
    run_study(run)
    assert made(run.folder, "first") == 1
    run.measure("first-size", lambda size: run.sections[0].made(run, size), size=4)
    assert made(run.folder, "first") == 2


def test_names_of_measurements_tell_sections_apart(tmp_path):
    run = StudyRun(study_of_sections(tmp_path / "study_named"), tmp_path / "run", only=["first"])
    assert [section.name for section in run.sections] == ["first"]
    run_study(run)
    assert [section.is_measured(run) for section in run.study.sections] == [True, False]
    with pytest.raises(NotImplementedError, match=r"no write\(\)"):
        Section().write(None, run)


def numbers(value, error=None, **others):
    rows = [("t", "net", "m", value, error, 3)]
    return Numbers(rows + [("t", row, "m", other, None, 3) for row, other in others.items()])


@pytest.mark.parametrize(
    ("limit", "measured", "holds"),
    [
        (Limit(low=0.9), numbers(0.9), True),
        (Limit(low=0.9), numbers(0.89), False),
        (Limit(0.9, 1.1), numbers(1.2), False),
        (Limit(high=0, errors=2), numbers(0.02, 0.01), True),
        (Limit(high=0, errors=2), numbers(0.021, 0.01), False),
        (Limit(high=0, errors=2), numbers(0.01), False),
        (Limit(below=("identity", "ratio")), numbers(0.3, identity=0.4, ratio=0.2), False),
        (Limit(below=("identity", "ratio")), numbers(0.1, identity=0.4, ratio=0.2), True),
        (Limit(below=("floor",), factor=2), numbers(0.3, floor=0.2), True),
        (Limit(above=("floor",)), numbers(0.3, floor=0.3), True),
        (Limit(below=("floor",)), numbers(0.3), None),
        (Limit(low=0.9), numbers(float("nan")), None),
        (Limit(), numbers(5.0), True),
    ],
)
def test_a_limit(limit, measured, holds):
    assert limit.holds(Goal("t", "net", "m", limit), measured) is holds


def test_a_limit_of_another_row_has_its_error_too():
    def of(value, error, floor, spread):
        return Numbers([("t", "net", "m", value, error, 3), ("t", "floor", "m", floor, spread, 3)])

    goal = Goal("t", "net", "m", Limit(below=("floor",), factor=2, errors=2))
    assert goal.at_least.holds(goal, of(2.9, 0.3, 1.0, 0.2))  # 2 + 2 * hypot(.3, .4) = 3
    assert not goal.at_least.holds(goal, of(3.1, 0.3, 1.0, 0.2))
    above = Limit(above=("floor",), errors=2)
    assert above.holds(goal, of(0.1, 0.3, 1.0, 0.4))
    assert not above.holds(goal, of(-0.1, 0.3, 1.0, 0.4))


def test_verdicts():
    goal = Goal("t", "net", "m", Limit(low=0.9), Limit(low=0.95), (("floor", "m"),), "a note")
    words = [goal.verdict(numbers(v)).word for v in (0.96, 0.92, 0.8)]
    assert words == ["goal met", "met", "not met"]
    verdict = goal.verdict(numbers(0.92, 0.004, floor=0.99))
    assert (verdict.measured, verdict.beside) == ("0.92 ± 0.004", "floor m: 0.99; a note")
    assert goal.verdict(Numbers([])).word == "not measured"
    assert Goal("t", "net", "m").verdict(numbers(0.1)).word == "shown"
    aimed = Goal("t", "net", "m", goal=Limit(high=0.5))
    assert [aimed.verdict(numbers(v)).word for v in (0.4, 0.6)] == ["goal met", "goal not met"]
    assert str(Limit(below=("floor",), factor=2, errors=2)) == "< 2 × floor within 2 errors"


def test_every_goal_of_the_study_can_be_met_and_missed():
    goals = [goal for of_section in GOALS.values() for goal in of_section]
    assert len({(g.table, g.row, g.metric) for g in goals}) == len(goals)
    for goal in goals:
        rows = [(goal.table, goal.row, goal.metric, v, 0.0, 1) for v in (-1e9, 0.99, 1e9)]
        limits = (goal.at_least, goal.goal)
        others = {row for limit in limits if limit for row in (*limit.below, *limit.above)}
        beside = [(goal.table, row, goal.metric, 1.0, None, 1) for row in others]
        words = {goal.verdict(Numbers([row, *beside])).word for row in rows}
        assert "not measured" not in words
        if limits != (Limit(), None):
            assert len(words) > 1


def test_the_page_before_anything_is_measured(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = StudyRun(Study.load("generation"), tmp_path, quick=True, only_read=True)
    from pyg_jets.studies import write_pages

    (path,) = write_pages(run)
    text = path.read_text()
    goals = sum(map(len, GOALS.values()))
    assert text.count("**not measured**") == goals
    with (tmp_path / "generation.csv").open(newline="") as stream:
        assert next(csv.reader(stream)) == list(CSV_COLUMNS)
