"""A thousand Pythia events in the layout of the LHC Olympics: every jet against FastJet by hand."""

import numpy as np
import pytest

from tests.benchmarks.bench_events import OPTIONS, find_all, massless, olympics_like
from tests.events.by_hand import by_hand

pytestmark = pytest.mark.slow


def test_a_thousand_events_equal_fastjet_by_hand(tmp_path):
    path = olympics_like(tmp_path / "events.h5")
    jets, events = find_all(path), massless(path)
    expected = by_hand(events, OPTIONS.radius, "antikt", OPTIONS.pt, OPTIONS.eta_max)
    assert len(jets) == len(expected)
    assert 2000 < len(jets) < 3000
    assert jets.jets["event"].tolist() == [jet[0] for jet in expected]
    assert jets.counts.tolist() == [len(jet[-1]) for jet in expected]
    ours = np.stack([jets.jets[name] for name in ("pt", "eta", "phi", "mass")], -1)
    theirs = np.array([jet[1:5] for jet in expected])
    np.testing.assert_allclose(ours[:, 0], theirs[:, 0], rtol=3e-7)
    np.testing.assert_allclose(ours[:, 1:3], theirs[:, 1:3], atol=1e-6)
    np.testing.assert_allclose(ours[:, 3], theirs[:, 3], atol=3e-6 * theirs[:, 0].max())
    for j, (event, *_, members) in enumerate(expected):
        own = np.sort(events[event][members][:, 0].astype(np.float32))
        np.testing.assert_array_equal(np.sort(jets[j].column("pt")), own)
    np.testing.assert_array_equal(jets.labels, jets.jets["event"] >= 900)
