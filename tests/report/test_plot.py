"""One jet on axes of one's own, and figures as files of vectors."""

import sys

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch_geometric.data import Batch, Data

from pyg_jets import JetArray
from pyg_jets.cli import main
from pyg_jets.columns import CANONICAL, KINDS
from pyg_jets.report import make_report, plot_jet
from pyg_jets.report.figures import jet as figures
from pyg_jets.report.figures.style import Drawing, figure_file
from pyg_jets.studies import Page
from pyg_jets.transforms import Features
from tests.report.conftest import jet_like, write_run

COLOURS = {name: to_rgb(colour) for name, colour in figures.KINDS.items()}


@pytest.fixture
def jet():
    return jet_like(4)[2]


@pytest.fixture
def ax():
    return Figure().subplots()


def drawn(ax):
    """Positions, areas and colours of the circles."""
    (circles,) = (each for each in ax.collections if isinstance(each, PathCollection))
    return circles.get_offsets(), circles.get_sizes(), circles.get_facecolors()[:, :3]


def test_circles_are_the_constituents(jet, ax):
    before = dict(mpl.rcParams)
    assert plot_jet(jet, ax) is ax
    positions, areas, colours = drawn(ax)
    order = np.argsort(-jet.column("pt"), kind="stable")
    np.testing.assert_allclose(positions, jet.relative_positions()[order], rtol=1e-6)
    np.testing.assert_allclose(areas / areas[0], jet.column("pt")[order] / jet.column("pt").max())
    kinds = figures.kinds_of(jet, toy=False)[order]
    np.testing.assert_allclose(colours, np.array(list(COLOURS.values()))[kinds])
    momentum = jet.momentum
    assert ax.get_title(loc="left") == (
        f"$p_T$ = {momentum['pt'][0]:.0f} GeV,  m = {momentum['mass'][0]:.0f} GeV,  "
        f"{len(jet.particles)} constituents"
    )
    assert dict(mpl.rcParams) == before


def test_every_form_of_a_jet_is_drawn_alike(jet):
    (graph,) = jet.to_pyg()
    x = torch.tensor(jet.particles)
    without_positions = Data(x=x)
    forms = [
        (jet, {}),
        (graph, {}),
        (without_positions, {"columns": jet.columns}),
        ((x, CANONICAL), {}),
        ((jet.particles.tolist(), list(CANONICAL)), {}),
        (Features(("px", "py", "pz", "e", "charge", "pdgid"))(graph),
         {"columns": ("px", "py", "pz", "e", "charge", "pdgid")}),
        (Features(("ptrel", "etarel", "phirel", *KINDS))(without_positions),
         {"columns": ("ptrel", "etarel", "phirel", *KINDS)}),
    ]  # fmt: skip
    first, *others = [drawn(plot_jet(form, Figure().subplots(), **more)) for form, more in forms]
    for other in others:
        for mine, theirs in zip(first, other, strict=True):
            np.testing.assert_allclose(theirs, mine, rtol=1e-3, atol=1e-4)


def test_radius_title_and_legend(jet, ax):
    plot_jet(jet, ax, radius=1.0, title="mine", legend=False)
    (circle,) = ax.patches
    assert circle.radius == 1
    assert ax.get_xlim() == pytest.approx((-1.12, 1.12))
    assert ax.get_title(loc="left") == "mine"
    assert ax.get_legend() is None


def test_the_legend_names_what_is_drawn(ax):
    columns = ("pt", "eta", "phi", "mass", "charge", "pdgid")
    kinds = [(1, 211), (0, 22), (0, 130), (-1, 11), (1, -13)]
    x = [[pt, pt / 100, 0, 0, *kind] for pt, kind in zip((70, 5, 4, 3, 2), kinds, strict=True)]
    plot_jet((x, columns), ax)
    below = [text.get_text() for text in ax.get_legend().get_texts()]
    assert sorted(below) == sorted(figures.KINDS)
    sizes = [a for a in ax.get_children() if type(a).__name__ == "Legend" and a != ax.get_legend()]
    assert [text.get_text() for text in sizes[0].get_texts()] == ["5 GeV", "50 GeV"]
    circles = sizes[0].legend_handles[1]
    assert circles.get_markersize() ** 2 == pytest.approx(drawn(ax)[1][0] * 50 / 70)


@pytest.mark.parametrize("n", [0, 1])
def test_small_jets(n):
    jet = JetArray(np.ones((n, 3)), ("pt", "eta", "phi"), [0, n])
    ax = plot_jet(jet, Figure().subplots())
    assert len(drawn(ax)[0]) == n
    assert ax.get_title(loc="left").endswith(("0 constituents", "1 constituent"))


def test_a_figure_of_its_own(jet, monkeypatch):
    before = dict(mpl.rcParams)
    ax = plot_jet(jet)
    assert ax.figure.get_size_inches().tolist() == [5.2, 5.6]
    assert dict(mpl.rcParams) == before
    mpl.pyplot.close(ax.figure)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'pyg-jets\[report\]'"):
        plot_jet(jet)


@pytest.mark.parametrize(
    ("jet", "more", "message"),
    [
        (jet_like(3), {}, r"Expected one jet, but got 3: choose one, as jets\[0\]"),
        (Batch.from_data_list(list(jet_like(2).to_pyg())), {}, "but got a batch of 2"),
        (([[1.0, 2.0]], ("pt", "eta")), {}, "Expected columns pt, eta, phi, or .* got pt, eta"),
        (Data(x=torch.ones(3, 4)), {}, r"Expected x \[n, 6\] .* got \[3, 4\]: name the columns"),
        (Data(x=torch.ones(3, 2)), {"columns": ("logpt", "deltar")}, "before features are made"),
        ("jet.parquet", {}, "but got str"),
        (torch.ones(3, 3), {"columns": ("pt", "eta", "phi")}, "but got Tensor"),
    ],
)
def test_what_is_no_jet(jet, more, message, ax):
    with pytest.raises(ValueError, match=message):
        plot_jet(jet, ax, **more)


@pytest.mark.parametrize(
    ("format", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_files_of_each_format(format, start):
    drawing = Drawing(lambda figure: figure.subplots().plot([1, 2], label="$p_T$"), (2, 1))
    first, second = (figure_file(drawing.draw, *drawing.size, format) for _ in range(2))
    assert first.startswith(start)
    assert first == second == drawing.file(format)


@pytest.fixture
def undrawn(monkeypatch):
    def file(draw, width, height, format="png"):
        return format.encode()

    monkeypatch.setattr("pyg_jets.report.figures.style.figure_file", file)


def test_a_report_with_figures_for_a_paper(undrawn, tmp_path, monkeypatch):
    run = write_run(tmp_path / "run", n=60)
    make_report([run], tmp_path / "usual")
    kinds = {path.stem for path in (tmp_path / "usual").glob("*.png")}
    page = make_report([run], tmp_path / "paper", formats=("pdf", "svg"))
    names = {path.name for path in page.parent.iterdir() if path.suffix in (".png", ".svg", ".pdf")}
    assert names == {f"{kind}.{format}" for kind in kinds for format in ("pdf", "svg")}
    assert (page.parent / "roc.pdf").read_bytes() == b"pdf"
    text = page.read_text()
    assert "data:image/png;base64," in text
    assert "Figures beside this page as PDF and SVG" in text
    make_report([run], tmp_path / "paper")  # those of the earlier report go
    assert {path.suffix for path in page.parent.iterdir()} == {".png", ".csv", ".html", ".json"}


def test_formats_of_the_command(undrawn, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "run", n=60)
    assert main(["report", "run", "--out", "bad", "--format", "bmp"]) == 2
    assert "Unknown format 'bmp': choose from png, svg, pdf" in capsys.readouterr().err
    assert not (tmp_path / "bad").exists()
    assert main(["report", "run", "--out", "out", "--format", "png", "pdf"]) == 0
    assert (tmp_path / "out/roc.pdf").read_bytes() == b"pdf"
    assert (tmp_path / "out/roc.png").read_bytes() == b"png"


def test_pages_of_studies(undrawn, tmp_path):
    page = Page("cars", "Cars")
    page.figure("speed", Drawing(lambda figure: None, (2, 1)), "speeds")
    page.figure("photo", b"PNG", "a car")
    page.write(tmp_path, formats=("pdf",))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "cars-photo.png", "cars-speed.pdf", "cars-speed.png", "cars.csv", "cars.md",
    ]  # fmt: skip
    assert "![speeds](cars-speed.png)" in (tmp_path / "cars.md").read_text()
