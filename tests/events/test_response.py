"""The response of ``cms-like`` to Pythia's jets, and the script that draws it for the page."""

import numpy as np
import pytest

from pyg_jets import JetArray
from pyg_jets.columns import CANONICAL
from pyg_jets.detector import Detector
from pyg_jets.io import write_parquet
from pyg_jets.substructure import substructure
from tests.detector import response


@pytest.fixture(scope="module")
def samples(chunks):
    """Jets of each process before the detector."""
    return {name: jets.select(CANONICAL) for name, (jets, _) in chunks.items()}


def test_the_mean_response_is_one_wherever_the_jet_is(samples):
    jets = JetArray.concatenate(list(samples.values()))
    seen = Detector.preset("cms-like").simulate(jets, seed=1)
    ratio = response.response(jets, seen)["pt"]
    forward = abs(jets.momentum["eta"]) > 1.5
    assert forward.sum() > 100
    assert ratio[~forward].mean() == pytest.approx(ratio[forward].mean(), abs=0.01)
    assert ratio.mean() == pytest.approx(1, abs=0.01)
    assert ratio.std() < 0.04


@pytest.mark.parametrize(("process", "mass"), [("w", 80.4), ("z", 91.2), ("top", 172.5)])
def test_soft_drop_finds_the_resonance_before_and_after(samples, process, mass):
    jets = samples[process]
    seen = Detector.preset("cms-like").simulate(jets, seed=1)
    for some in (jets, seen):
        assert np.median(substructure(some)["softdrop_mass"]) == pytest.approx(mass, rel=0.05)


def test_the_script_of_the_page(samples, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(response, "PICTURE", tmp_path / "img" / "response.png")
    for name in response.NAMES:
        write_parquet(samples[name], tmp_path / f"{name}.parquet")
    response.main(str(tmp_path))
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if "|" in line]
    kept = next(row for row in rows if row[:2] == ["| W", "eta 1.5–2.0"])
    assert float(kept[2]) < 0.95 < 0.98 < float(kept[3])
    assert (tmp_path / "img" / "response.png").stat().st_size > 10_000
