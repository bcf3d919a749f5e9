"""Philox against Random123's vectors, normals against SciPy, float32 functions against float64."""

import numpy as np
import pytest
import torch
from scipy import stats

from pyg_jets.detector import elementary, particle_kernels
from pyg_jets.detector.random import mix, philox, uniforms

ONES = 0xFFFFFFFF
# kat_vectors of Random123, philox4x32 with 10 rounds: counter, key, result
KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([ONES] * 4, [ONES] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_known_answers(counter, key, expected):
    assert [int(w) for w in philox(*map(np.uint64, counter), *map(np.uint64, key))] == expected
    assert [int(w) for w in philox(*map(torch.tensor, counter), *key)] == expected


def words(n: int) -> tuple[np.ndarray, torch.Tensor]:
    """The same words from the kernel and from torch."""
    out = np.zeros((4, n + 8), np.uint32)
    key = mix(3, 2, 1)
    jet_id = 5 + (9 << 32)
    particle_kernels.draw_words(
        out, np.array([0, n]), 0, 1, 1, np.array([jet_id]), *map(np.uint64, key)
    )
    each = torch.arange(n)
    zero = torch.zeros_like(each)
    return out[:, :n], torch.stack(philox(each, zero, zero + 5, zero + 9, *key))


def test_kernel_and_torch_draw_the_same_integers():
    ours, other = words(1003)
    assert np.array_equal(ours.astype(np.int64), other.numpy())


def test_normals():
    drawn, same = words(200_000)
    z = np.empty(drawn.shape[1], np.float32)
    particle_kernels.words_to_normals(drawn[0], z)
    assert np.allclose(z, elementary.normal(same[0]).numpy(), rtol=5e-7, atol=0)
    tail = ((drawn[0] & 0x7FFFFFFF).astype(np.float64) + 0.5) / 2**32
    exact = np.where(drawn[0] >> 31, -1, 1) * stats.norm.isf(tail)
    assert np.allclose(z, exact, rtol=2e-6, atol=2e-7)
    assert abs(z.mean()) < 0.01
    assert abs(z.std() - 1) < 0.01
    assert stats.kstest(z, "norm").pvalue > 0.01


def test_normal_tails():
    tails = torch.tensor([0, 1, 100, 2**31 - 1, 2**31, 2**31 + 7])
    k = (tails & (2**31 - 1)).double() + 0.5
    exact = stats.norm.isf(k.numpy() / 2**32) * np.where(tails.numpy() >= 2**31, -1, 1)
    assert np.allclose(elementary.normal(tails).numpy(), exact, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("ours", "exact", "x"),
    [
        (elementary.exp, np.exp, np.linspace(-80, 80, 9999)),
        (elementary.log, np.log, np.geomspace(1e-30, 1e30, 9999)),
        (elementary.log1p, np.log1p, np.geomspace(1e-12, 1e12, 9999)),
        (elementary.arsinh, np.arcsinh, np.linspace(-1e4, 1e4, 9999)),
        (elementary.arsinh, np.arcsinh, np.linspace(-1e-3, 1e-3, 9999)),
    ],
    ids=["exp", "log", "log1p", "arsinh", "arsinh, small"],
)
def test_elementary_functions(ours, exact, x):
    single = x.astype(np.float32)
    expected = exact(single.astype(np.float64))
    assert np.allclose(ours(torch.from_numpy(single)).numpy(), expected, rtol=4e-7, atol=1e-37)
    assert np.isclose(ours(single[77]), expected[77], rtol=4e-7)


def test_uniforms_depend_on_the_jet_alone():
    ids = torch.tensor([4, 1 << 40, 9])
    drawn = uniforms(ids, 5, seed=1, epoch=2)
    assert drawn.shape == (3, 5)
    assert torch.equal(uniforms(ids[1:2], 3, seed=1, epoch=2), drawn[1:2, :3])
    assert not torch.equal(uniforms(ids, 5, seed=1, epoch=3), drawn)
    assert abs(uniforms(torch.arange(1000), 100).mean() - 0.5) < 0.005


def test_key_needs_whole_numbers():
    with pytest.raises(ValueError, match="seed as a whole number"):
        mix(0.5, 0, 0)
