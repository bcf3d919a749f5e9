"""Classifiers of two samples, and the observables that they read, against scikit-learn."""

import numpy as np
import pytest
from scipy.special import ndtr
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from pyg_jets import JetArray
from pyg_jets.metrics.generation import JetSample
from pyg_jets.metrics.observables import (
    JET_OBSERVABLES,
    PAIR_OBSERVABLES,
    jet_observables,
    observable_table,
    pair_observables,
)
from pyg_jets.metrics.two_sample import two_sample_auc_tree, two_sample_split
from pyg_jets.substructure import substructure

RNG = np.random.default_rng(3)


def jets(n=60, seed=0):
    rng = np.random.default_rng(seed)
    counts = np.append([0, 1], rng.integers(2, 12, n - 2))
    ptr = np.append(0, counts.cumsum())
    x = np.stack([rng.exponential(20, ptr[-1]), *rng.normal(0, 0.2, (2, ptr[-1]))], 1)
    return JetSample(x, ptr)


def gaussians(shift, n=4000, seed=0):
    rng = np.random.default_rng(seed)
    return {"a": shift + rng.normal(size=n), "b": rng.normal(size=n)}


def test_observables_are_those_of_substructure():
    sample = jets()
    array = JetArray(sample.x, ("pt", "eta", "phi"), sample.ptr)
    names = ["pt", "mass", "multiplicity", "width", "tau21", "tau32", "softdrop_mass"]
    expected = substructure(array, names=names)
    values = jet_observables(sample)
    assert tuple(values) == JET_OBSERVABLES
    for name in names[:-1]:
        np.testing.assert_allclose(values[name], expected[name], rtol=2e-5, atol=1e-5)
    ratio = expected["softdrop_mass"][2:] / expected["mass"][2:]
    np.testing.assert_allclose(values["softdrop_ratio"][2:], ratio, rtol=1e-4, atol=1e-4)
    for j in range(1, len(sample)):
        pt = sample.particles(np.array([j]))[:, 0]
        assert values["leading_share"][j] == pytest.approx(pt.max() / pt.sum())
    assert all(values[name][0] == 0 for name in values)  # the empty jet
    assert list(jet_observables(sample, ("efp_01", "d2"))) == ["efp_01", "d2"]


def test_a_jet_does_not_depend_on_the_others_nor_on_the_order_of_its_particles():
    sample = jets()
    whole = jet_observables(sample)
    for j in (0, 1, 7):
        x = sample.particles(np.array([j]))[::-1]
        alone = jet_observables(JetSample(x, [0, len(x)]))
        for name, value in alone.items():
            assert value[0] == pytest.approx(whole[name][j], abs=1e-9), name


def test_observables_of_pairs():
    gen, reco = jets(seed=1), jets(seed=2)
    kinds = RNG.random(len(reco.x)) < 0.5, RNG.random(len(gen.x)) < 0.5
    pairs = pair_observables(reco, gen, *kinds)
    assert tuple(pairs) == PAIR_OBSERVABLES
    after, before = jet_observables(reco), jet_observables(gen)
    np.testing.assert_allclose(pairs["pt_ratio"][2:], after["pt"][2:] / before["pt"][2:])
    np.testing.assert_allclose(pairs["tau21_change"], after["tau21"] - before["tau21"])
    at = slice(reco.ptr[5], reco.ptr[6]), slice(gen.ptr[5], gen.ptr[6])
    charged = [kind[rows].sum() for kind, rows in zip(kinds, at, strict=True)]
    assert pairs["charged_ratio"][5] == pytest.approx(charged[0] / max(charged[1], 1))
    assert all(values[0] == 0 for values in pairs.values())  # both empty
    assert "charged_ratio" not in pair_observables(reco, gen)
    same = pair_observables(gen, gen)
    np.testing.assert_allclose(same["mass_ratio"][2:], 1)
    np.testing.assert_allclose(same["tau21_change"], 0)


def test_the_auc_of_gaussians_is_the_known_one():
    test = two_sample_auc_tree(gaussians(1.0, 8000), gaussians(0.0, 8000, 1))
    assert test.value == pytest.approx(ndtr(1 / np.sqrt(2)), abs=0.02)  # .760
    assert 0.002 < test.error < 0.01
    assert test[2:] == (("a", "b"), 8000, 8000)
    blind = two_sample_auc_tree(gaussians(1.0), gaussians(0.0, seed=1), ["b"])
    assert abs(blind.value - 0.5) < 4 * blind.error
    assert blind.inputs == ("b",)


def test_the_auc_is_that_of_scikit_learn():
    made, real = gaussians(0.5, 500), gaussians(0.0, 400, 1)
    x = np.concatenate([np.stack([*jets.values()], 1) for jets in (made, real)])
    y = np.repeat([0, 1], [500, 400])
    trains, _ = two_sample_split((500, 400), (None, None), 5)
    assert trains[:500].sum() == 250
    weight = np.ones(900)
    tree = HistGradientBoostingClassifier(
        max_iter=120, learning_rate=0.08, early_stopping=False, random_state=5
    ).fit(x[trains], y[trains], weight[trains])
    expected = roc_auc_score(y[~trains], tree.predict_proba(x[~trains])[:, 1])
    assert two_sample_auc_tree(made, real, seed=5).value == pytest.approx(expected)


def test_jets_of_weight_zero_do_not_count():
    made, real = gaussians(0.0), gaussians(0.0, seed=1)
    made["a"][:1000] += 50
    weights = np.ones(4000)
    weights[:1000] = 0
    seen = two_sample_auc_tree(made, real)
    assert seen.value > 0.6
    hidden = two_sample_auc_tree(made, real, made_weights=weights)
    assert abs(hidden.value - 0.5) < 4 * hidden.error
    assert two_sample_auc_tree(made, real, made_weights=7 * weights) == hidden


def test_weights_change_what_is_seen():
    made, real = gaussians(0.0), gaussians(0.0, seed=1)
    weights = np.exp(made["a"] - 0.5)  # reweights to a mean of 1
    test = two_sample_auc_tree(made, real, made_weights=weights)
    assert test.value == pytest.approx(ndtr(1 / np.sqrt(2)), abs=0.04)


def test_jets_of_one_number_are_in_one_half():
    ids = np.arange(3000) % 1000
    trains, numbers = two_sample_split((3000, 3000), (ids, ids), 0)
    assert not set(numbers[trains]) & set(numbers[~trains])
    assert trains.mean() == pytest.approx(0.5, abs=0.01)
    # a number that tells one class from the other is of no use to a jet that was not trained on
    rng = np.random.default_rng(0)
    own = rng.normal(size=1000)[ids]
    made, real = {"a": own + 1e-6 * rng.normal(size=3000)}, {"a": own}
    test = two_sample_auc_tree(made, real, made_ids=ids, real_ids=ids)
    assert test.value == pytest.approx(0.5, abs=0.03)


def test_the_same_seed_gives_the_same_and_n_takes_the_first():
    made, real = gaussians(0.5), gaussians(0.0, seed=1)
    one = two_sample_auc_tree(made, real, n=300, seed=2)
    cut = [{name: values[:300] for name, values in jets.items()} for jets in (made, real)]
    assert one == two_sample_auc_tree(*cut, seed=2)
    assert one != two_sample_auc_tree(*cut, seed=3)
    assert one.n_made == one.n_real == 300


def nan_in_jet_3():
    made = gaussians(0.0, 50)
    made["b"][3] = np.nan
    return made


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: two_sample_auc_tree({"a": []}, {"a": [1.0]}), "generated jets, but got none"),
        (lambda: two_sample_auc_tree(nan_in_jet_3(), gaussians(0, 50)), "b of the generated jet 3"),
        (lambda: two_sample_auc_tree(gaussians(0, 50), nan_in_jet_3()), "b of the real jet 3 is"),
        (lambda: two_sample_auc_tree(gaussians(0, 50), {"a": np.ones(50)}), "observable of the re"),
        (lambda: two_sample_auc_tree({"a": [1.0], "b": [1.0, 2.0]}, {}), "one length"),
        (lambda: two_sample_auc_tree(gaussians(0, 10), gaussians(0, 50)), "at least 20"),
        (lambda: two_sample_auc_tree(gaussians(0, 50), gaussians(0, 50), n=51), "most the 50"),
        (
            lambda: two_sample_auc_tree(gaussians(0, 50), gaussians(0, 50), made_weights=[1.0]),
            "50 made_weights",
        ),
        (
            lambda: two_sample_auc_tree(gaussians(0, 50), gaussians(0, 50), made_ids=range(50)),
            "only one of them",
        ),
        (
            lambda: two_sample_auc_tree(
                gaussians(0, 50), gaussians(0, 50), made_ids=range(50), real_ids=range(3)
            ),
            "ids as integers",
        ),
        (lambda: pair_observables(jets(5), jets(6)), "6 and 5"),
        (lambda: pair_observables(jets(5), jets(5), [True]), "only one of them"),
        (lambda: pair_observables(jets(5), jets(5), [True], [True]), "reco_charged of the"),
        (lambda: jet_observables(jets(5), ("tau2l",)), "tau2l"),
        (lambda: jet_observables(jets(5), ("mass", "mass")), "once"),
        (
            lambda: observable_table({"a": [1.0, np.inf]}, None, "real"),
            "real jet 1 is inf",
        ),
    ],
)
def test_bad_input(call, said):
    with pytest.raises(ValueError, match=said):
        call()
