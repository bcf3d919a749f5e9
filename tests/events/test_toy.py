"""The toy: its geometry, its law of prefixes, its two classes."""

import numpy as np
import pytest

from pyg_jets.columns import CANONICAL
from pyg_jets.events import toy


@pytest.fixture(scope="module")
def events():
    return toy.generate(2000, seed=5)


def deposits(jets):
    """Positions [J, 16, 2] and energies [J, 16] of the deposits."""
    parts = jets.particles.reshape(len(jets), toy.DEPOSITS, toy.FRAGMENTS, -1)
    return parts[..., 1:3].mean(2), parts[..., 0].sum(2)


def nearest(jets):
    """Mean distance of a deposit to the nearest other one, of each event."""
    where = deposits(jets)[0]
    distance = np.linalg.norm(where[:, :, None] - where[:, None], axis=-1)
    distance[:, np.arange(toy.DEPOSITS), np.arange(toy.DEPOSITS)] = np.inf
    return distance.min(2).mean(1)


def test_geometry_and_energies(events):
    where, energy = deposits(events)
    assert events.columns == CANONICAL
    assert set(events.counts) == {toy.DEPOSITS * toy.FRAGMENTS}
    assert np.linalg.norm(where, axis=-1).max() < 1.01
    assert 0 <= energy.min() < 0.01 < 0.99 < energy.max() <= 1.0001
    assert energy.mean() == pytest.approx(0.5, abs=0.01)
    parts = events.particles.reshape(len(events), toy.DEPOSITS, toy.FRAGMENTS, -1)
    assert parts[..., 1:3].std(2).mean() == pytest.approx(0.010, rel=0.05)
    assert (parts[..., 0] == parts[..., :1, 0]).all()
    assert set(events.column("pdgid")) == {22.0}
    assert not events.column("mass").any()
    assert not events.column("charge").any()


def test_background_is_uniform_and_signal_is_paired(events):
    signal, background = events[events.labels == 1], events[events.labels == 0]
    assert len(signal) == pytest.approx(1000, abs=100)
    r2 = (deposits(background)[0] ** 2).sum(-1)
    assert r2.mean() == pytest.approx(0.5, abs=0.01)
    assert nearest(signal).mean() < 0.8 * nearest(background).mean()
    where = deposits(signal)[0].reshape(-1, toy.DEPOSITS // 2, 2, 2)
    apart = np.linalg.norm(where[:, :, 0] - where[:, :, 1], axis=-1)
    # Two Gaussian offsets of σ on each axis lie σ√π apart on average, less what the disk cuts off.
    assert apart.mean() == pytest.approx(0.165 * np.sqrt(np.pi), rel=0.08)


@pytest.mark.parametrize("n", [1, 255, 256, 257, 700])
def test_a_request_is_a_prefix_of_a_larger_one(events, n):
    assert toy.generate(n, seed=5).equals(events[:n])


def test_seed_and_ids(events):
    assert not toy.generate(10, seed=6).equals(events[:10])
    assert events.ids.tolist() == events.jets["event"].tolist() == list(range(2000))
    assert set(toy.generate(50, signal_fraction=1).labels) == {1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_jets": 0}, "n_jets"),
        ({"n_jets": 2.5}, "n_jets"),
        ({"seed": -1}, "seed"),
        ({"signal_fraction": 1.5}, "signal_fraction"),
        ({"pair_width": -0.1}, "pair_width"),
        ({"fragment_width": float("nan")}, "fragment_width"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=f"Expected {message} "):
        toy.generate(**{"n_jets": 3, **arguments})
