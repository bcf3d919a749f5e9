"""The base of studies: registry, folders of users, cached measurements, pages."""

import csv
import io
import json
import math
import textwrap

import pytest

from pyg_jets.cli import main
from pyg_jets.errors import InputError, MissingFileError
from pyg_jets.studies import Page, Study, StudyRun, list_studies, run_study, write_pages

MEASURES = """
    def measures(run):
        run.measure("sums", sums, first=2, second=[3, 4])

    def sums(first, second):
        return {"sum": first + sum(second), "half": first / 2}
"""
PAGE = """
    from pyg_jets.studies import Page

    def page(run):
        sums = run.measured("sums")
        page = Page(run.study.name, run.study.title)
        page.number("sums", "all", "sum", sums["sum"], n=3)
        page.figure("dot", b"PNG", "a dot", "A caption.")
        return page
"""


def own_study(folder, **modules):
    """Write a study without sweep files, and with these Python modules."""
    folder.mkdir()
    (folder / "README.md").write_text("# My own study\n\nWhat is it about?\n")
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    return folder


@pytest.fixture
def run(tmp_path):
    return StudyRun(Study.load(own_study(tmp_path / "cached_study")), tmp_path / "run")


def test_the_registry_is_the_folders():
    assert "broken_symmetry" in list_studies()
    for name in list_studies():
        study = Study.load(name)
        assert study.title
        assert set(study.head) >= {"title", "source", "cost", "quick_cost"}
        assert study.sections or set(study.head) >= {"sweeps", "quick"}


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'broken_symmetry'"):
        Study.load("broken_symetry")


def test_a_folder_without_a_head(tmp_path):
    folder = own_study(tmp_path / "bare_study")
    for stem in ("sweep", "sweep_more", "sweep_quick", "base"):
        (folder / f"{stem}.yaml").write_text("method: grid\n")
    study = Study.load(folder)
    assert study.title == "My own study"
    assert study.sweeps == ("sweep", "sweep_more")
    assert study.quick == ("sweep_quick",)


def test_a_broken_head_is_named(tmp_path):
    folder = own_study(tmp_path / "broken_head")
    (folder / "README.md").write_text("---\na: [\n---\ntext\n")
    with pytest.raises(InputError, match="is not YAML"):
        Study.load(folder)


def test_a_run_of_a_user_s_own_study(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    own_study(tmp_path / "mystudy_one", measures=MEASURES, page=PAGE)
    assert main(["study", "run", "./mystudy_one"]) == 0
    run = tmp_path / "runs/studies/mystudy_one"
    cost, page = capsys.readouterr().out.strip().splitlines()
    assert cost == "My own study, in runs/studies/mystudy_one; costs not known."
    assert page == str(run / "mystudy_one.md")
    assert (run / "mystudy_one-dot.png").read_bytes() == b"PNG"
    assert "![a dot](mystudy_one-dot.png)\n\nA caption." in (run / "mystudy_one.md").read_text()
    assert (run / "mystudy_one.csv").read_text().splitlines() == [
        "table,row,metric,value,error,n",
        "sums,all,sum,9,,3",
    ]
    record = json.loads((run / "measures/sums.json").read_text())
    assert record["value"] == {"sum": 9, "half": 1.0}
    assert set(record) == {"name", "inputs", "version", "date", "command", "seconds", "value"}
    assert main(["study", "page", "./mystudy_one", "--out", "elsewhere"]) == 0
    assert (tmp_path / "elsewhere/mystudy_one.csv").is_file()


def test_a_module_of_another_folder_is_not_taken(tmp_path):
    own_study(tmp_path / "json", page=PAGE)
    with pytest.raises(InputError, match=r"json.page.*rename the folder"):
        Study.load(tmp_path / "json").module("page")


def test_an_error_inside_a_module_stays(tmp_path):
    own_study(tmp_path / "mystudy_two", page="import no_such_package\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        Study.load(tmp_path / "mystudy_two").module("page")


def test_a_measurement_is_made_once_for_the_same_inputs(run):
    calls = []

    def make(size, parts=()):
        calls.append(size)
        return {"size": size, "none": math.nan}

    assert run.measure("size", make, size=3, parts=(1, 2))["size"] == 3
    assert run.measure("size", make, size=3, parts=[1, 2])["size"] == 3
    assert calls == [3]
    assert run.measure("size", make, size=4)["size"] == 4
    assert run.measured("size")["size"] == 4
    assert run.measured("other") is None
    (record,) = run.measurements()
    assert record["inputs"] == {"size": 4}


def test_a_run_that_only_reads_measures_nothing(run):
    reader = StudyRun(run.study, run.folder, only_read=True)
    with pytest.raises(MissingFileError, match="pyg-jets study run cached_study makes it"):
        reader.measure("size", lambda: 1)
    with pytest.raises(MissingFileError, match="pyg-jets study run cached_study makes it"):
        reader.scan("sweep")
    run.measure("size", lambda: 1)
    assert reader.measure("size", lambda: 2) == 1


def test_without_a_scan_there_is_no_generic_page(run):
    with pytest.raises(InputError, match="has no scan"):
        write_pages(run)


def test_a_page_that_is_none_is_refused(tmp_path):
    folder = own_study(tmp_path / "mystudy_three", page="def page(run):\n    return None\n")
    with pytest.raises(InputError, match=r"Expected page\(\) of the study mystudy_three to return"):
        run_study(StudyRun(Study.load(folder), tmp_path / "run"))


def test_a_page_s_csv_keeps_every_digit():
    page = Page("name", "Title")
    page.number("a, b", "row", "auc", 0.1 + 0.2, math.nan, 3)
    page.number("a, b", "row", "auc", None)
    rows = list(csv.DictReader(io.StringIO(page.csv())))
    assert float(rows[0]["value"]) == 0.1 + 0.2
    assert rows[0]["error"] == rows[1]["value"] == ""


def test_a_table_escapes_bars():
    page = Page("name", "Title")
    page.table(["a", "b"], [["|eta|", "1"]])
    assert page.blocks == ["| a | b |\n| --- | --- |\n| \\|eta\\| | 1 |"]


def test_list_and_show(capsys):
    assert main(["study", "list"]) == 0
    assert "Broken symmetries" in capsys.readouterr().out
    assert main(["study", "show", "broken_symmetry"]) == 0
    assert "source: arXiv:2311.05952" in capsys.readouterr().out
    assert main(["study", "show", "nothing"]) == 2


def test_a_point_that_fails_ends_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = own_study(tmp_path / "mystudy_failing", measures=MEASURES, page=PAGE)
    (folder / "sweep.yaml").write_text(
        "method: grid\n"
        'command: ["${env}", pyg-jets, fit, --config=broken_symmetry/base, "${args}"]\n'
        "parameters:\n"
        "  data.dataset.init_args.n_jets: {value: 60}\n"
        "  data.sample.jets: {value: 1000}\n"  # more than there are
    )
    assert main(["study", "run", str(folder), "--workers", "1"]) == 2
    assert "1 points of sweep.yaml failed: log.txt" in capsys.readouterr().err
    assert not list(tmp_path.glob("runs/studies/mystudy_failing/*.md"))
