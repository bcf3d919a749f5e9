"""A jet as a graph: its edges against scikit-learn's, and what is drawn of it."""

import shutil
from io import BytesIO

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from PIL import Image
from sklearn.neighbors import kneighbors_graph

from pyg_jets import JetArray
from pyg_jets.columns import CANONICAL
from pyg_jets.io import write_parquet
from pyg_jets.report import make_report, pictures
from pyg_jets.report.compare import comparisons
from pyg_jets.report.figures.graph import NEIGHBOURS, draw_graph, jet_graph
from pyg_jets.report.figures.jet import KINDS
from pyg_jets.report.figures.style import figure_file, style
from pyg_jets.report.samples import pairs, variants
from pyg_jets.runs import load_run
from tests.report.conftest import jet_like, samples


@pytest.fixture(scope="module")
def jet():
    """A jet whose constituents are at no two equal distances."""
    return jet_like(4, seed=3)[1]


def drawn(jet, toy=False):
    with style():
        figure = Figure((9.6, 5.4), layout="constrained")
        draw_graph(figure, jet, 0.8, toy)
    return figure


def of_kind(ax, kind):
    return [one for one in ax.collections if isinstance(one, kind)]


def cut(jet, n):
    return JetArray(jet.particles[:n], jet.columns, [0, n], jet.labels)


@pytest.mark.parametrize("toy", [False, True])
def test_edges_are_those_of_scikit_learn(jet, toy):
    graph = jet_graph(jet, toy)
    positions = jet.relative_positions("origin" if toy else "jet")
    known = kneighbors_graph(positions.astype(np.float64), NEIGHBOURS).nonzero()
    assert set(graph.edges) == {(int(j), int(i)) for i, j in zip(*known, strict=True)}
    assert all(degree == NEIGHBOURS for _, degree in graph.in_degree())


def test_nodes_are_the_constituents(jet):
    graph = jet_graph(jet, toy=False)
    positions, pt = jet.relative_positions(), jet.column("pt")
    names = list(KINDS)
    words = {211: "charged hadron", 22: "photon", 130: "neutral hadron", 11: "electron or muon"}
    for i, node in graph.nodes.items():
        assert node["pos"] == tuple(positions[i].tolist())
        assert node["pt"] == pt[i]
        assert names[node["kind"]] == words[abs(int(jet.column("pdgid")[i]))]


def test_what_is_drawn_is_the_graph(jet):
    graph = jet_graph(jet, toy=False)
    pairs_of = {frozenset(edge) for edge in graph.edges}
    mutual = {pair for pair in pairs_of if all(graph.has_edge(*p) for p in (pair, [*pair][::-1]))}
    for ax in drawn(jet).axes:
        (nodes,), lines = of_kind(ax, PathCollection), of_kind(ax, LineCollection)
        at, pt = np.array(nodes.get_offsets()), np.array(nodes.get_sizes())
        order = np.argsort(-jet.column("pt"), kind="stable")
        assert np.allclose(at, jet.relative_positions()[order])
        assert np.allclose(pt / pt.max(), (jet.column("pt") / jet.column("pt").max())[order])
        faint, dark = sorted(lines, key=lambda one: one.get_linewidth()[0])
        where = {tuple(node["pos"]): i for i, node in graph.nodes.items()}
        found = [
            {frozenset(where[tuple(end)] for end in segment) for segment in one.get_segments()}
            for one in (faint, dark)
        ]
        assert found == [pairs_of - mutual, mutual]


def test_the_enlarged_part_is_framed_and_crowded(jet):
    whole, part = drawn(jet).axes
    (frame,) = [patch for patch in whole.patches if type(patch).__name__ == "Rectangle"]
    assert frame.get_xy() == pytest.approx((part.get_xlim()[0], part.get_ylim()[0]))
    assert frame.get_width() == pytest.approx(np.diff(part.get_xlim())[0])
    low, high = np.array([part.get_xlim(), part.get_ylim()]).T
    positions = jet.relative_positions()
    inside = ((positions >= low) & (positions <= high)).all(1).mean()
    assert inside > 5 * 0.4**2 / (np.pi * 0.8**2)  # of evenly spread constituents


@pytest.mark.parametrize("n", [1, 2, 5])
def test_small_jets(jet, n):
    small = cut(jet, n)
    graph = jet_graph(small, toy=False)
    assert (len(graph.nodes), len(graph.edges)) == (n, n * (n - 1))
    image = Image.open(BytesIO(figure_file(lambda f: draw_graph(f, small, 0.8, False), 9.6, 5.4)))
    assert image.size == (1920, 1080)


@pytest.mark.parametrize(("toy", "word"), [(True, "deposit"), (False, "constituent")])
def test_constituents_that_nothing_tells_apart_are_alike(jet, toy, word):
    bare = JetArray(jet.particles[:, :4], CANONICAL[:4], [0, len(jet.particles)])
    figure = drawn(jet if toy else bare, toy)
    assert figure.legends[0].get_texts()[0].get_text() == word
    (nodes,) = of_kind(figure.axes[0], PathCollection)
    assert len(np.unique(nodes.get_facecolors(), axis=0)) == 1


def test_it_is_the_jet_of_the_other_figures(arms):
    (one,) = comparisons([load_run(arms[0])])
    drawn = pictures.pictures(one)
    graph, jet = drawn["graph"].draw.keywords["jet"], drawn["jet"].draw.keywords["after"]
    assert np.array_equal(graph.particles, jet.particles)
    assert graph.ids == variants(one.run.samples).after.ids[0]


@pytest.mark.parametrize("kept", ["only before", "empty after"])
def test_jets_without_a_detector_and_empty_ones(arms, tmp_path, kept):
    run = shutil.copytree(arms[0], tmp_path / "run")
    jets = samples(20, rotations=0)
    if kept == "only before":
        jets = jets[jets.jets["stage"] == 0]
    else:
        before, after = (part[:2] for part in pairs(jets))
        empty = JetArray(after.particles[:0], after.columns, [0, 0, 0], after.labels, after.jets,
                         after.ids)  # fmt: skip
        jets = JetArray.concatenate([before, empty])
    write_parquet(jets, run / "samples.parquet")
    (one,) = comparisons([load_run(run)])
    found = pictures.pictures(one)
    assert ("graph" in found) == (kept == "only before")
    assert ("jet" in found) == (kept == "empty after")


def test_a_page_without_a_detector(arms, tmp_path):
    run = shutil.copytree(arms[0], tmp_path / "run")
    jets = samples(20, rotations=0)
    write_parquet(jets[jets.jets["stage"] == 0], run / "samples.parquet")
    text = make_report([run], tmp_path / "out").read_text()
    assert "One W test jet, as the data set has it, as a graph" in text
    assert "What the detector does" not in text
