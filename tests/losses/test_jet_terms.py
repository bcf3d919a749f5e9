"""Jet terms against fastjet's sums, and the KL divergence against torch's distributions."""

import fastjet
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from pyg_jets.losses import gaussian_kl, jet_pt_mass, jet_terms


def jets(seed=0, counts=(5, 0, 1, 40)):
    generator = torch.Generator().manual_seed(seed)
    ptr = torch.tensor([0, *torch.tensor(counts).cumsum(0)])
    x = 10 * torch.randn(int(ptr[-1]), 3, generator=generator)
    return x, ptr


def by_fastjet(x, ptr):
    found = []
    for j in range(len(ptr) - 1):
        total = fastjet.PseudoJet(0, 0, 0, 0)
        for px, py, pz in x[ptr[j] : ptr[j + 1]].double().tolist():
            total = total + fastjet.PseudoJet(px, py, pz, (px**2 + py**2 + pz**2) ** 0.5)
        found.append((total.pt(), max(total.m(), 0.0)))
    return torch.tensor(found, dtype=torch.float64).unbind(1)


@pytest.mark.parametrize("coordinates", ["pxpypz", "ptetaphi"])
def test_sums_are_fastjets(coordinates):
    x, ptr = jets()
    given = x
    if coordinates == "ptetaphi":
        pt = x[:, :2].double().norm(dim=1)
        eta, phi = torch.asinh(x[:, 2] / pt), torch.atan2(x[:, 1], x[:, 0])
        given = torch.stack((pt, eta.double(), phi.double()), 1)
    for found, want in zip(jet_pt_mass(given, ptr, coordinates), by_fastjet(x, ptr), strict=True):
        torch.testing.assert_close(found, want, rtol=1e-5, atol=1e-3)


def test_terms_are_mean_squares_with_finite_gradients():
    x, ptr = jets()
    y, other = jets(1, (3, 2, 0, 8))
    x[0] = 0  # at rest
    x.requires_grad_()
    terms = jet_terms(x, ptr, y, other)
    ours, theirs = by_fastjet(x.detach(), ptr), by_fastjet(y, other)
    for term, a, b in zip(terms, ours, theirs, strict=True):
        torch.testing.assert_close(term.double(), (a - b).square().mean(), rtol=1e-4, atol=1e-4)
    (slope,) = torch.autograd.grad(sum(terms), x)
    assert slope.isfinite().all()
    assert (slope[1:5] != 0).all()


def test_gradcheck():
    x, ptr = jets(2, (3, 2))
    y, _ = jets(3, (3, 2))
    torch.autograd.gradcheck(
        lambda x: jet_terms(x, ptr, y.double(), ptr), x.double().requires_grad_()
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x, ptr: jet_terms(x, ptr, x, ptr[:-1]), "x has 4 and y 3"),
        (lambda x, ptr: jet_terms(x[:, :2], ptr, x, ptr), r"x \[N, 3\] as pxpypz"),
        (lambda x, ptr: jet_pt_mass(x, ptr, "xyz"), "Unknown coordinates 'xyz'"),
    ],
)
def test_bad_jets(change, said):
    with pytest.raises(ValueError, match=said):
        change(*jets())


def test_kl_is_torchs():
    mean, log_var = torch.randn(7, 4), torch.randn(7, 4)
    each = kl_divergence(Normal(mean, (0.5 * log_var).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(gaussian_kl(mean, log_var), each.sum(1).mean())
    floor = each.mean(0).clamp(min=0.9).sum()
    torch.testing.assert_close(gaussian_kl(mean, log_var, free_bits=0.9), floor)


def test_bad_latents():
    with pytest.raises(ValueError, match=r"one shape \[J, L\]"):
        gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="free_bits of at least 0"):
        gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 3), -1.0)
