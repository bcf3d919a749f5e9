"""A network of two samples of jets: what it sees, what it does not, and what it refuses."""

import itertools

import numpy as np
import pytest
import torch

from pyg_jets.training.two_sample import lattice_blur, two_sample_auc_pfn

STEPS = 150


def jets(n=600, width=0.1, seed=0):
    rng = np.random.default_rng(seed)
    counts = rng.integers(5, 12, n)
    ptr = np.append(0, counts.cumsum())
    return np.stack([rng.exponential(1, ptr[-1]), *rng.normal(0, width, (2, ptr[-1]))], 1), ptr


def test_equal_samples_cannot_be_told_apart():
    test = two_sample_auc_pfn(jets(), jets(seed=1), steps=STEPS)
    assert abs(test.value - 0.5) < 4 * test.error
    assert test.n_made == test.n_real == 600


def test_a_wrong_width_is_seen_and_the_inputs_are_named():
    flagged = [
        (np.concatenate([x, np.zeros((len(x), 1))], 1), ptr)
        for x, ptr in (jets(width=0.2), jets(seed=1))
    ]
    test = two_sample_auc_pfn(*flagged, steps=STEPS, columns=("pt", "etarel", "phirel", "charge"))
    assert test.value > 0.8
    assert test.inputs == ("pt", "log pt", "etarel", "phirel", "charge")


def test_the_same_seed_gives_the_same_and_leaves_torch_alone():
    state = torch.random.get_rng_state()
    one, two = (two_sample_auc_pfn(jets(), jets(seed=1), steps=20, seed=4) for _ in range(2))
    assert one == two
    assert one != two_sample_auc_pfn(jets(), jets(seed=1), steps=20, seed=5)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_order_of_particles_does_not_matter():
    x, ptr = jets()
    turned = np.concatenate([x[a:b][::-1] for a, b in itertools.pairwise(ptr)])
    one = two_sample_auc_pfn((x, ptr), jets(seed=1), steps=20)
    other = two_sample_auc_pfn((turned, ptr), jets(seed=1), steps=20)
    assert one.value == pytest.approx(other.value, abs=2e-3)


def test_pairs_show_what_single_jets_hide():
    # made and real have one distribution, but only the real ones go with their GEN jets
    gen = jets(800)
    x, ptr = gen
    order = np.random.default_rng(1).permutation(800)
    made = np.concatenate([x[ptr[i] : ptr[i + 1]] for i in order])
    made = made, np.append(0, np.diff(ptr)[order].cumsum())
    alone = two_sample_auc_pfn(made, gen, steps=STEPS)
    assert alone.value < 0.6
    paired = two_sample_auc_pfn(made, gen, steps=2 * STEPS, pairs=gen)
    assert paired.value > 0.8
    assert paired.inputs[-1] == "the particles of GEN"


def test_blur_hides_a_lattice():
    def tracks(seed, exact):
        x, ptr = jets(1000, seed=seed)
        x[:, 1:] = np.round(x[:, 1:] / 0.5) * 0.5 if exact else x[:, 1:]
        return x, ptr

    def wide(seed):  # continuous, spread over the cells of the exact ones
        x, ptr = tracks(seed, True)
        rng = np.random.default_rng(seed)
        x[:, 1:] += rng.uniform(-0.25, 0.25, (len(x), 2))
        return x, ptr

    seen = two_sample_auc_pfn(wide(0), tracks(1, True), steps=STEPS)
    hidden = two_sample_auc_pfn(wide(0), tracks(1, True), steps=STEPS, blur=(0.0, 0.5))
    assert seen.value > 0.95
    assert abs(hidden.value - 0.5) < 4 * hidden.error


def test_lattice_blur():
    charged, photon = [1, 0, 0], [0, 1, 0]
    assert lattice_blur(charged, photon, ("track_displacement",)).tolist() == [0.01, 0, 0]
    assert lattice_blur(charged, photon, ("cell_lattice",)).tolist() == [0, 0.0174, 0.087]
    assert lattice_blur(charged, photon, ()).tolist() == [0, 0, 0]


def test_jets_of_weight_zero_do_not_count():
    x, ptr = jets()
    bad = x.copy()
    bad[: ptr[200], 1] += 5
    weights = np.repeat([0.0, 1.0], [200, 400])
    seen = two_sample_auc_pfn((bad, ptr), jets(seed=1), steps=STEPS)
    hidden = two_sample_auc_pfn((bad, ptr), jets(seed=1), steps=STEPS, made_weights=weights)
    assert seen.value > 0.62
    assert abs(hidden.value - 0.5) < 4 * hidden.error


def test_empty_jets_are_jets():
    x, ptr = jets()
    half = len(ptr) // 2
    empty = x[: ptr[half]], np.append(ptr[: half + 1], np.full(len(ptr) - 1 - half, ptr[half]))
    test = two_sample_auc_pfn(empty, jets(seed=1), steps=STEPS)
    assert 0.65 < test.value < 0.85  # half of them are told apart


def broken(value, row=20):
    x, ptr = jets()
    x[row, 0] = value
    return x, ptr


JET = int(np.searchsorted(jets()[1], 20, side="right")) - 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: two_sample_auc_pfn(broken(np.nan), jets()), f"generated jet {JET} has"),
        (lambda: two_sample_auc_pfn(jets(), broken(-1.0)), f"real jet {JET} has a particle"),
        (lambda: two_sample_auc_pfn((np.ones((2, 2)), [0, 2]), jets()), "F of at least 3"),
        (lambda: two_sample_auc_pfn((np.ones((2, 4)), [0, 2]), jets()), "same columns"),
        (lambda: two_sample_auc_pfn((jets()[0], [0, 3]), jets()), "rise from 0 to the"),
        (lambda: two_sample_auc_pfn(jets(10), jets()), "at least 20"),
        (lambda: two_sample_auc_pfn(jets(), jets(), n=601), "at most the 600"),
        (lambda: two_sample_auc_pfn(jets(), jets(), pairs=jets(599)), "599"),
        (lambda: two_sample_auc_pfn(jets(), jets(), steps=0), "steps of at least 1"),
        (lambda: two_sample_auc_pfn(jets(), jets(), batch=1), "batch of at least 2"),
        (lambda: two_sample_auc_pfn(jets(), jets(), blur=([1.0, 2.0], 0.0)), "a blur of 0 or more"),
        (lambda: two_sample_auc_pfn(jets(), jets(), columns=("pt",), steps=1), "names of the 3"),
        (
            lambda: two_sample_auc_pfn(*[(np.ones((0, 3)), np.zeros(51))] * 2, steps=1),
            "all are empty",
        ),
        (lambda: lattice_blur([True], [True, False]), "one length"),
        (lambda: lattice_blur([True], [False], ("cells",)), "Unknown lattice"),
    ],
)
def test_bad_input(call, said):
    with pytest.raises(ValueError, match=said):
        call()
