"""The page of generators: what it shows, and what it refuses."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import wasserstein_distance

from pyg_jets import JetArray
from pyg_jets.columns import STAGES
from pyg_jets.io import write_parquet
from pyg_jets.metrics.generation import JetSample
from pyg_jets.metrics.observables import UNTRAINED, jet_observables
from pyg_jets.report import generated_table, is_generated, make_generated_report
from pyg_jets.report.generated import load_generated
from pyg_jets.report.generated_page import SHAPES
from tests.processes import python

NAMES = ("pt", "etarel", "phirel")


def jets(n: int, seed: int, lost: float = 0.0) -> JetArray:
    rng = np.random.default_rng(seed)
    counts = rng.integers(5, 20, n)
    counts[0] = 0 if lost else counts[0]
    ptr = np.concatenate(([0], np.cumsum(counts)))
    x = np.stack((rng.exponential(20, ptr[-1]), *rng.normal(0, 0.2, (2, ptr[-1]))), 1)
    return JetArray(x.astype(np.float32), NAMES, ptr, ids=np.arange(n)[::-1] * 3)


def write_run(folder: Path, pairs: bool = True, n: int = 60, digits: bool = False) -> Path:
    folder.mkdir(parents=True)
    given = jets(n, 1)
    sets = {"input": given, "target": jets(n, 2, 0.1) if pairs else given, "made": jets(n, 3)}
    if not pairs:
        sets["reconstructed"] = jets(n, 4)
    latent = np.random.default_rng(5).normal(size=(2, n)).astype(np.float32)
    parts = [
        one.with_jets(stage=np.full(n, STAGES.index(name)), z0=latent[0], z1=latent[1])
        for name, one in sets.items()
    ]
    write_parquet(JetArray.concatenate(parts), folder / "generated.parquet")
    network = {"coordinates": "plain"} if digits else {}
    config = {"model": {"network": {"class_path": "pyg_jets.nn.GraphVAE", "init_args": network}},
              "checkpoint": {"monitor": "val/emd_admitted"}}  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "metrics.json").write_text(json.dumps({"test/emd_pt": 0.1}))
    (folder / "provenance.json").write_text(
        json.dumps({"title": folder.name, "parameters": 1234, "classes": ["w"], "n_train": 7})
    )
    with (folder / "metrics.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["epoch", "train/loss", "val/loss", "val/emd_pt", "val/emd",
                         "val/emd_admitted"])  # fmt: skip
        writer.writerows([[e, 3 / (e + 1), 4 / (e + 1), 0.5, 0.6, 0.6] for e in range(4)])
    return folder


@pytest.mark.parametrize(("pairs", "digits"), [(True, False), (False, False), (False, True)])
def test_a_page_holds_the_figures_and_the_distances(tmp_path, pairs, digits):
    pytest.importorskip("ot")
    run = write_run(tmp_path / "run", pairs, digits=digits)
    assert is_generated(run)
    page = make_generated_report([run], tmp_path / "out")
    kinds = {path.stem for path in page.parent.glob("*.png")}
    wanted = {"clouds", "features", "progress", "latent", "nearest"}
    assert kinds == (wanted if digits else wanted | {"soft", "resolution"})
    html = page.read_text()
    assert "http-equiv" not in html
    assert 'src="http' not in html
    assert html.count("<figure") == len(kinds)
    assert ("shapes that no network is trained on" in html) == (not digits)
    (row,) = csv.DictReader(io.StringIO((page.parent / "table.csv").read_text()))
    made, target = jets(60, 3).particles[:, 0], jets(60, 2, 0.1).particles[:, 0]
    if pairs:
        expected = wasserstein_distance(made, target) / target.astype(float).std()
        assert float(row["emd_particle_pt"]) == pytest.approx(expected, rel=1e-5)
        assert "1 of the targets, 0 as made" in html


def test_shapes_are_over_their_floor(tmp_path):
    (one,) = load_generated([write_run(tmp_path / "run")])
    assert set(one.shapes) == set(SHAPES) == set(UNTRAINED)
    made, target = (
        jet_observables(JetSample(sample.particles, sample.ptr), ("tau21",))["tau21"]
        for sample in (jets(60, 3)[::-1], jets(60, 2, 0.1)[::-1])
    )
    score = one.shapes["tau21"]
    expected = wasserstein_distance(made, target) / target.std()
    assert score.distance.value == pytest.approx(expected, rel=1e-5)
    page = make_generated_report([one.run.folder], tmp_path / "out").read_text()
    assert f"{expected:.3f} ± {score.distance.error:.3f} ({score.floor.value:.3f})" in page
    assert load_generated([write_run(tmp_path / "few", n=10)])[0].shapes == {}


@pytest.mark.slow
def test_the_same_runs_give_the_same_page(tmp_path):
    runs = [write_run(tmp_path / name) for name in ("one", "two")]
    first, second = (make_generated_report(runs, tmp_path / out) for out in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert (first.parent / "features-2.png").exists()


def test_stages_are_in_one_order(tmp_path):
    (one,) = load_generated([write_run(tmp_path / "run")])
    ids = [jets.ids.tolist() for jets in one.stages.values()]
    assert ids[0] == sorted(ids[0])
    assert all(each == ids[0] for each in ids)


def test_bad_folders_are_named(tmp_path):
    run = write_run(tmp_path / "run")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        make_generated_report([tmp_path / "nowhere"], tmp_path / "out")
    (tmp_path / "tagger").mkdir()
    (tmp_path / "tagger" / "config.yaml").write_text("{}")
    with pytest.raises(ValueError, match=r"tagger has no generated.parquet"):
        generated_table([run, tmp_path / "tagger"])
    write_parquet(jets(5, 0), run / "generated.parquet")
    with pytest.raises(ValueError, match="no jet column stage"):
        generated_table([run])
    write_parquet(jets(5, 0).with_jets(stage=np.zeros(5, int)), run / "generated.parquet")
    with pytest.raises(ValueError, match="no jets of the stage made, target"):
        generated_table([run])


def test_the_command_makes_the_page(tmp_path):
    run = write_run(tmp_path / "run")
    found = python("-m", "pyg_jets.cli", "report", run, "--out", tmp_path / "page")
    assert "multiplicity" in found.stdout
    assert str(tmp_path / "page") in found.stdout
