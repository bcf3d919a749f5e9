"""The pool of minimum-bias events: chunks stay, other folders are refused, Pythia's density."""

import numpy as np
import pytest

from pyg_jets.errors import FolderInUseError
from pyg_jets.events import minimum_bias
from pyg_jets.events.minimum_bias import generate_pool, lacks_events
from pyg_jets.io.checksums import read_checked_json, write_checked_json
from tests.conftest import random_jets


@pytest.fixture
def made(monkeypatch):
    """Chunks of ten events that are not Pythia's; the list has the numbers of those made."""
    numbers = []

    def generate(seed, eta_max, chunk):
        numbers.append(chunk)
        return random_jets(10, seed=10 * seed + chunk).with_labels(0)

    monkeypatch.setattr(minimum_bias, "_generate", generate)
    monkeypatch.setattr(minimum_bias, "_EVENTS_PER_CHUNK", 10)
    monkeypatch.setattr(minimum_bias, "require_generators", lambda: None)
    return numbers


def test_a_larger_pool_goes_on_from_a_smaller_one(made, tmp_path):
    out = tmp_path / "pool"
    assert lacks_events(out, 5)
    small = generate_pool(15, out=out, progress=False)
    assert (len(small), made) == (15, [0, 1])
    assert not lacks_events(out, 20)
    assert lacks_events(out, 21)
    large = generate_pool(25, out=out, progress=False)
    assert made == [0, 1, 2]
    assert large[:15].equals(small)
    assert large.equals(generate_pool(25, progress=False))


def test_a_damaged_chunk_is_made_again(made, tmp_path):
    pool = generate_pool(20, out=tmp_path, progress=False)
    (chunk,) = tmp_path.glob("*-00000001.parquet")
    chunk.write_bytes(chunk.read_bytes()[:-100])
    assert lacks_events(tmp_path, 20)
    assert generate_pool(20, out=tmp_path, progress=False).equals(pool)
    assert made == [0, 1, 1]


def test_other_events_are_refused(made, tmp_path):
    generate_pool(5, out=tmp_path, progress=False)
    with pytest.raises(FolderInUseError, match="seed = 1, not 2"):
        generate_pool(5, seed=2, out=tmp_path, progress=False)
    with pytest.raises(FolderInUseError, match=r"eta_max = 3.0, not 2.0"):
        generate_pool(5, eta_max=2, out=tmp_path, progress=False)
    record = read_checked_json(tmp_path / minimum_bias.MARKER)
    write_checked_json(tmp_path / minimum_bias.MARKER, record | {"pythia8mc": "8.0.1"})
    assert len(generate_pool(10, out=tmp_path, progress=False)) == 10  # which it has
    with pytest.raises(FolderInUseError, match=r"pythia8mc = '8.0.1', not"):
        generate_pool(11, out=tmp_path, progress=False)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(FolderInUseError, match="something else"):
        generate_pool(5, out=tmp_path / "other", progress=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_events": 0}, "n_events as a whole number, 1 or more"),
        ({"seed": -1}, "seed as a whole number, 0 or more"),
        ({"eta_max": 0}, "eta_max as a number above 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        generate_pool(**arguments)


@pytest.mark.slow
def test_pythias_events_have_the_density_of_the_lhc(monkeypatch):
    """6 to 7 charged particles a unit of η, as at 13 TeV; chunks do not depend on those before."""
    pytest.importorskip("pythia8mc")
    monkeypatch.setattr(minimum_bias, "_EVENTS_PER_CHUNK", 300)
    pool = generate_pool(600, progress=False)
    again = minimum_bias._generate(1, 3.0, 1)
    assert again.equals(pool[300:])
    eta, charge = pool.column("eta"), pool.column("charge")
    assert 2.99 < abs(eta).max() < 3.0
    assert 5.5 < ((charge != 0) & (abs(eta) < 2.5)).sum() / len(pool) / 5 < 7.5
    assert not np.isin(abs(pool.column("pdgid")), (12, 14, 16)).any()
    assert 0.7 < pool.column("pt").sum() / len(pool) / (6 * 2 * np.pi) < 1.3
