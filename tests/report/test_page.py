"""The page: whole, self-contained, the same twice, honest about what is missing."""

import json
import re
import shutil
from html.parser import HTMLParser
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pyg_jets.report import make_report
from pyg_jets.report.page import MARKER
from tests.report.conftest import ARMS, write_run

FIGURES = [
    "dependence.png",
    "graph.png",
    "images.png",
    "jet.png",
    "roc.png",
    "scores.png",
    "training.png",
    "variants.png",
]
VOID = {"meta", "link", "img", "br"}


class Page(HTMLParser):
    """Elements of a page, its text, and whether every element that opens closes."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.words = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.words))


@pytest.fixture
def undrawn(monkeypatch):
    """Figures of one pixel, for tests of the words."""
    stream = BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "png")
    monkeypatch.setattr("pyg_jets.report.figures.style.figure_file", lambda *_: stream.getvalue())


@pytest.fixture(scope="module")
def page(out):
    return Page((out / "index.html").read_text())


def test_every_element_closes(page):
    assert page.open == []


def test_asks_no_server_for_anything(out, page):
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "iframe", "object", "embed", "base"}
    for tag, attrs in page.elements:
        assert attrs.get("src", "data:").startswith("data:")
        if tag != "a":
            assert attrs.get("href", "data:").startswith("data:")
        assert not any(name.startswith("on") for name in attrs)
    css = "".join(re.findall(r"<style>(.*?)</style>", (out / "index.html").read_text(), re.S))
    assert "url(" not in css
    assert "@import" not in css


def test_figures_are_pictures_and_lie_beside_the_page(out, page):
    assert sorted(path.name for path in out.glob("*.png")) == FIGURES
    shown = [attrs for tag, attrs in page.elements if tag == "img"]
    assert len(shown) == len(FIGURES)
    for attrs in shown:
        assert len(attrs["alt"]) > 30
    for path in out.glob("*.png"):
        picture = Image.open(BytesIO(path.read_bytes()))
        picture.verify()
        pixels = np.asarray(Image.open(path).convert("RGB"))
        assert pixels.shape[1] > 900
        assert 0.01 < (pixels < 200).any(-1).mean() < 0.7
        assert len({*map(tuple, pixels[::7, ::7].reshape(-1, 3).tolist())}) > 20


def test_images_are_shown_at_half_their_pixels(out, page):
    sizes = {Image.open(path).size for path in out.glob("*.png")}
    shown = {(int(a["width"]), int(a["height"])) for tag, a in page.elements if tag == "img"}
    assert {(w // 2, h // 2) for w, h in sizes} == shown


def test_says_what_was_trained_on_what(page):
    assert "W against QCD jets" in page.text
    assert (
        "3 networks, trained on 2,000 jets of PythiaJets(4000) and tested on 1,000 others"
        in page.text
    )
    assert "500 < pT < 600 GeV after the detector, |η| < 2.0" in page.text
    assert "Anti-kt jets with R = 0.8" in page.text
    for words in ("torch 2.13.0", "pyg-jets fit --config tagger.yaml", "2025-01-31", "2 cores"):
        assert words in page.text


def test_numbers_on_the_page_are_those_of_the_table(out, page):
    lines = (out / "table.csv").read_text().splitlines()
    head = lines[0].split(",")
    value, error = head.index("auc"), head.index("auc_error")
    for line in lines[1:]:
        cells = re.sub(r'"[^"]*"', "", line).split(",")
        assert f"{float(cells[value]):.3f} ± {float(cells[error]):.3f}" in page.text


def test_leaves_the_settings_of_matplotlib_alone(arms, tmp_path):
    before = dict(mpl.rcParams)
    make_report(arms[:1], tmp_path / "out")
    assert dict(mpl.rcParams) == before


def test_made_again_it_is_the_same(arms, out, tmp_path):
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    make_report(arms, tmp_path / "again", command="pyg-jets report")
    second = {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    assert first == second


def test_a_title_is_text(undrawn, arms, tmp_path):
    path = make_report(arms[:1], tmp_path / "out", title="<script>W & $QCD$</script>")
    text = path.read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;W &amp; $QCD$" in text


def test_a_smaller_report_leaves_no_stale_figures(undrawn, arms, tmp_path):
    out = tmp_path / "out"
    other = write_run(tmp_path / "other", "100 $ net_1", seed=2, n=200)
    make_report([arms[0], other], out)
    assert (out / "roc-2.png").exists()
    (out / "notes.txt").write_text("mine")
    make_report([arms[0]], out)
    assert sorted(path.name for path in out.glob("*.png")) == FIGURES
    assert (out / "notes.txt").read_text() == "mine"


def test_two_test_sets_are_kept_apart(undrawn, arms, tmp_path):
    other = write_run(tmp_path / "other", "Other", seed=2, n=200)
    page = Page(make_report([arms[0], other], tmp_path / "out").read_text())
    assert "tested on 2 different sets of jets. They are compared within a set" in page.text
    assert "Test set 2: results" in page.text
    assert "Other − PFN, plain" not in page.text


def test_refuses_a_folder_that_holds_something_else(undrawn, arms, tmp_path):
    (tmp_path / "index.html").write_text("someone's")
    with pytest.raises(FileExistsError, match="holds something else"):
        make_report(arms[:1], tmp_path)
    assert (tmp_path / "index.html").read_text() == "someone's"
    with pytest.raises(FileExistsError, match="is a file"):
        make_report(arms[:1], tmp_path / "index.html")
    with pytest.raises(FileExistsError, match="holds something else"):
        make_report(arms[:1], arms[0])


def test_the_marker_never_points_outside(undrawn, arms, tmp_path):
    out, kept = tmp_path / "out", tmp_path / "kept.png"
    out.mkdir()
    kept.write_text("mine")
    (out / MARKER).write_text(json.dumps({"files": ["../kept.png", str(kept), 3]}))
    make_report(arms[:1], out)
    assert kept.exists()


def test_toys_without_observables(tmp_path):
    run = write_run(tmp_path / "toy", "FCN", toy=True, n=300)
    page = Page(make_report([run], tmp_path / "out").read_text())
    assert "Signal against background jets" in page.text
    assert "mass alone" not in page.text
    assert "Baselines" not in page.text
    assert "energy a pixel" in page.text
    assert "with its 7 nearest ones on the plane" in page.text
    assert "Dependence on" not in page.text
    drawn = {path.stem for path in (tmp_path / "out").glob("*.png")}
    assert drawn == {"graph", "images", "jet", "roc", "scores", "training", "variants"}


@pytest.mark.parametrize("name", ["samples.parquet", "metrics.csv", "metrics.json",
                                  "provenance.json", "config.yaml"])  # fmt: skip
def test_says_what_is_missing(undrawn, arms, tmp_path, name):
    run = shutil.copytree(arms[0], tmp_path / "plain")
    (run / name).unlink()
    page = Page(make_report([run], tmp_path / "out").read_text())
    assert f"This run folder has no {name}" in page.text


def test_predictions_alone_make_a_page(arms, tmp_path):
    run = tmp_path / "bare"
    run.mkdir()
    columns = pq.read_table(arms[0] / "predictions.parquet").select(["jet_id", "label", "score"])
    pq.write_table(columns, run / "predictions.parquet")
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    (stopped / "metrics.csv").write_text("epoch,val/loss\n")
    page = Page(make_report([stopped, run], tmp_path / "out").read_text())
    assert "One network, tested on 1,000 jets." in page.text
    assert "Not finished, hence not on this page: stopped." in page.text
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == [
        "roc.png",
        "scores.png",
    ]


def test_numbers_that_disagree_are_named(undrawn, arms, tmp_path):
    run = shutil.copytree(arms[0], tmp_path / "plain")
    (run / "metrics.json").write_text(json.dumps({"test/auc": 0.99}))
    page = Page(make_report([run], tmp_path / "out").read_text())
    assert "metrics.json says AUC 0.9900, the predictions 0.9" in page.text


def test_without_the_extra_it_says_so(arms, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mplhep", None)
    with pytest.raises(ModuleNotFoundError, match=r"pyg-jets\[report\]"):
        make_report(arms[:1], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_titles_of_the_arms_are_there(page):
    for _, title, _ in ARMS:
        assert title in page.text
