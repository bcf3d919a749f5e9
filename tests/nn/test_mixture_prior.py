"""The fitted prior: densities of scipy and scikit-learn, moments of draws, conditional draws."""

import pickle

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp, multivariate_normal, norm
from sklearn.mixture import GaussianMixture

from pyg_jets.errors import InputError
from pyg_jets.nn.layers.mixture_prior import MixturePrior


def normals(n, seed=0, columns=3):
    """Correlated normal rows, whose last column has next to no spread of its own."""
    rng = np.random.default_rng(seed)
    mixing = np.array([[1.0, 0.0, 0.0], [0.8, 0.5, 0.0], [0.3, -0.6, 0.4]])[:columns, :columns]
    return torch.tensor(rng.normal(size=(n, columns)) @ mixing.T + [2.0, -1.0, 0.5][:columns])


def fitted(mean, *rest, log_var=-20.0, **options):
    prior = MixturePrior(mean.shape[1], **options)
    prior.fit(mean, torch.full_like(mean, log_var), *rest)
    return prior


def test_a_single_gaussian_is_that_of_scipy():
    z = normals(4000)
    prior = fitted(z, components=1)
    assert prior.fitted
    assert prior.n_active == 3
    expected = multivariate_normal(
        z.numpy().mean(0), np.cov(z.numpy().T, ddof=0) + 1e-4 * np.eye(3)
    )
    at = normals(50, seed=1)
    assert prior.log_prob(at).numpy() == pytest.approx(expected.logpdf(at.numpy()), abs=2e-3)
    drawn, jet_globals = prior.sample(40_000, generator=torch.Generator().manual_seed(1))
    assert jet_globals is None
    assert drawn.mean(0).numpy() == pytest.approx(expected.mean, abs=0.03)
    assert np.cov(drawn.numpy().T) == pytest.approx(expected.cov, abs=0.04)


def test_a_mixture_is_that_of_scikit_learn():
    z = torch.cat((normals(600), -2 * normals(400, seed=1) + 5))
    prior = fitted(z, components=4)
    theirs = GaussianMixture(4)
    factor = prior.cholesky[0].double().numpy()
    theirs.weights_, theirs.means_ = (
        prior.weight[0].double().numpy(),
        prior.mean[0].double().numpy(),
    )
    theirs.covariances_ = factor @ factor.transpose(0, 2, 1)
    theirs.precisions_cholesky_ = np.linalg.inv(factor).transpose(0, 2, 1)
    assert prior.log_prob(z).numpy() == pytest.approx(theirs.score_samples(z.numpy()), abs=1e-6)
    drawn, _ = prior.sample(20_000, generator=torch.Generator().manual_seed(0))
    for column in range(3):
        assert ks_2samp(drawn[:, column], z[:, column]).pvalue > 1e-4


def test_draws_of_the_posterior_are_fitted_and_idle_latents_stay_normal():
    mean = torch.cat((normals(3000)[:, :1], torch.zeros(3000, 1, dtype=torch.float64)), 1)
    log_var = torch.tensor([np.log(0.25), 0.0]).expand(3000, 2)
    prior = MixturePrior(2, components=1)
    prior.fit(mean, log_var)
    assert prior.active.tolist() == [True, False]
    drawn, _ = prior.sample(50_000, generator=torch.Generator().manual_seed(0))
    assert float(drawn[:, 0].var()) == pytest.approx(float(mean[:, 0].var()) + 0.25, rel=0.05)
    assert drawn[:, 1].mean() == pytest.approx(0, abs=0.02)
    assert drawn[:, 1].std() == pytest.approx(1, abs=0.02)
    assert prior.mean[0, 0, 1] == 0
    assert prior.cholesky[0, 0, 1].tolist() == [0, 1]


def test_latents_given_the_globals_of_a_single_gaussian():
    """With one component z given g is linear in g, with the textbook's covariance."""
    both = normals(20_000)
    g, z = both[:, :1], both[:, 1:]
    prior = fitted(z, None, g, components=1, n_globals=1, global_components=1)
    drawn, drawn_g = prior.sample(40_000, generator=torch.Generator().manual_seed(3))
    assert drawn_g.shape == (40_000, 1)
    joint = np.cov(torch.cat((drawn_g, drawn), 1).numpy().T)
    assert joint == pytest.approx(np.cov(both.numpy().T), abs=0.04)
    # ln p(g, z) is that of the three together
    exact = multivariate_normal(both.numpy().mean(0), np.cov(both.numpy().T))
    at = normals(200, seed=4)
    ours = prior.log_prob(at[:, 1:], None, at[:, :1]).numpy()
    assert np.median(abs(ours - exact.logpdf(at.numpy()))) < 0.05


def test_what_is_given_is_kept_and_the_rest_follows_from_it():
    """Of a single Gaussian all conditional means and covariances are in the textbooks."""
    both = normals(20_000)  # g0, g1 and z, correlated
    g, z = both[:, :2], both[:, 2:]
    prior = fitted(z, None, g, components=1, n_globals=2, global_components=1)
    mean, cov = both.double().mean(0), torch.cov(both.double().T)
    generator = torch.Generator().manual_seed(3)
    for given in ([0], [1], [0, 1]):
        rest = [k for k in range(3) if k not in given]
        values = mean[given] + 0.7 * cov.diagonal()[given].sqrt()
        asked = torch.full((40_000, 2), torch.nan)
        asked[:, given] = values.float()
        drawn, drawn_g = prior.sample(40_000, generator=generator, jet_globals=asked)
        assert torch.equal(drawn_g[:, given], asked[:, given])
        gain = cov[rest][:, given] @ torch.linalg.inv(cov[given][:, given])
        want = mean[rest] + gain @ (values - mean[given])
        spread = cov[rest][:, rest] - gain @ cov[given][:, rest]
        joint = torch.cat((drawn_g, drawn), 1)[:, rest].double()
        torch.testing.assert_close(joint.mean(0), want, atol=0.04, rtol=0)
        torch.testing.assert_close(
            torch.cov(joint.T).view(len(rest), -1), spread, atol=0.06, rtol=0
        )


def test_given_globals_are_checked():
    both = normals(200)
    prior = fitted(both[:, 2:], None, both[:, :2], components=1, n_globals=2, global_components=1)
    some = torch.tensor([[0.0, torch.nan], [torch.nan, torch.nan]])
    for wrong in (some, torch.full((2, 2), torch.inf)):
        with pytest.raises(InputError, match="finite numbers, or NaN for all jets"):
            prior.sample(2, jet_globals=wrong)
    with pytest.raises(InputError, match=r"jet_globals \[2, 2\], but got \[3, 2\]"):
        prior.sample(2, jet_globals=torch.zeros(3, 2))
    z, of_jets = prior.sample(0, jet_globals=torch.zeros(0, 2))
    assert z.shape == (0, 1)
    assert of_jets.shape == (0, 2)


def test_globals_keep_a_distribution_that_is_no_gaussian():
    rng = np.random.default_rng(0)
    pt, n = 500 + 100 * rng.random(8000) ** 2, rng.integers(3, 31, 8000)
    pt[:10] = 499.0
    g = torch.tensor(np.stack((pt, n), 1))
    z = torch.tensor(rng.normal(size=(8000, 2)) + 0.1 * (n[:, None] - 16))
    prior = fitted(z, None, g, components=8, n_globals=2, integers=[1])
    drawn, drawn_g = prior.sample(8000, generator=torch.Generator().manual_seed(5))
    assert ks_2samp(drawn_g[:, 0], pt).pvalue > 1e-3
    assert torch.equal(drawn_g[:, 1], drawn_g[:, 1].round())
    assert (int(drawn_g[:, 1].min()), int(drawn_g[:, 1].max())) == (3, 30)
    counts = np.bincount(drawn_g[:, 1].long().numpy(), minlength=31)[3:]
    assert counts.max() / counts.min() < 1.6  # 286 ± 17 of each
    both = np.corrcoef(drawn[:, 0].numpy(), drawn_g[:, 1].numpy())[0, 1]
    assert both == pytest.approx(np.corrcoef(z[:, 0], n)[0, 1], abs=0.03)


def test_densities_of_globals_integrate_to_one():
    rng = np.random.default_rng(1)
    g = torch.tensor(rng.gamma(3.0, 20.0, (4000, 1)))
    both = normals(4000)
    prior = fitted(both, None, g, components=1, n_globals=1, global_components=5)
    grid = torch.linspace(-40, 500, 20_001, dtype=torch.float64).unsqueeze(1)
    z = torch.tensor([[2.0, -1.0, 0.5]], dtype=torch.float64).expand(len(grid), 3)
    # z does not depend on g, so that ∫ p(g, z) dg is p(z)
    density = torch.trapezoid(prior.log_prob(z, None, grid).exp(), grid[:, 0])
    exact = multivariate_normal(both.numpy().mean(0), np.cov(both.numpy().T)).pdf(z[0].numpy())
    assert float(density) == pytest.approx(exact, rel=0.05)


def test_classes_have_mixtures_of_their_own():
    z = torch.cat((normals(500), normals(500) + 10))
    y = torch.arange(2).repeat_interleave(500)
    prior = fitted(z, y, components=2, n_classes=3)
    asked = torch.tensor([1, 0, 1, 1, 0])
    drawn, _ = prior.sample(5, asked, torch.Generator().manual_seed(0))
    assert ((drawn[:, 0] > 6) == (asked == 1)).all()
    assert (prior.log_prob(z, y) > prior.log_prob(z, 1 - y)).all()
    with pytest.raises(InputError, match="No jet of class 2 was trained"):
        prior.sample(1, torch.tensor([2]))
    with pytest.raises(InputError, match="classes from 0 to 2"):
        prior.sample(1, torch.tensor([3]))
    with pytest.raises(InputError, match="a class of each of 4 jets"):
        prior.sample(4)


def test_weights_count_as_copies():
    z = torch.cat((normals(1000), normals(1000) + 8))
    weight = torch.tensor([3.0, 1.0]).repeat_interleave(1000)
    prior = fitted(z, None, None, weight, components=2)
    share = prior.weight[0].max()
    assert float(share) == pytest.approx(0.75, abs=0.04)
    none = torch.tensor([1.0, 0.0]).repeat_interleave(1000)
    assert fitted(z, None, None, none, components=1).mean[0, 0, 0] == pytest.approx(2.0, abs=0.1)


def test_state_dict_pickle_seeds_and_repr():
    both = normals(300)
    arguments = {"components": 3, "n_globals": 1, "global_components": 2}
    prior = fitted(both[:, 1:], None, both[:, :1], **arguments)
    empty = MixturePrior(2, **arguments)
    assert not empty.fitted
    empty.load_state_dict(prior.state_dict())
    again = pickle.loads(pickle.dumps(prior))
    draws = [
        torch.cat(each.sample(20, generator=torch.Generator().manual_seed(1)), 1)
        for each in (prior, empty, again)
    ]
    assert torch.equal(draws[0], draws[1])
    assert torch.equal(draws[0], draws[2])
    refitted = fitted(both[:, 1:], None, both[:, :1], **arguments)
    for name, buffer in prior.state_dict().items():
        assert torch.equal(buffer, refitted.state_dict()[name]), name
    assert repr(prior) == "MixturePrior(2, components=3, n_globals=1, global_components=2)"
    prior.reset_parameters()
    assert not prior.fitted
    assert list(prior.parameters()) == []


def test_a_global_without_variance_is_certain():
    g = torch.cat((normals(400)[:, :1], torch.full((400, 1), 30.0)), 1)
    prior = fitted(normals(400)[:, 1:], None, g, components=2, n_globals=2, integers=[])
    drawn, drawn_g = prior.sample(100, generator=torch.Generator().manual_seed(0))
    assert drawn.isfinite().all()
    assert (drawn_g[:, 1] - 30).abs().max() < 1e-4
    alone = fitted(normals(400)[:, 1:], None, g[:, :1], components=2, n_globals=1)
    at = normals(5, seed=2)
    ours = prior.log_prob(at[:, 1:], None, torch.cat((at[:, :1], g[:5, 1:]), 1))
    assert ours.numpy() == pytest.approx(
        alone.log_prob(at[:, 1:], None, at[:, :1]).numpy(), abs=0.7
    )


def test_no_active_latent_leaves_the_unit_gaussian():
    prior = fitted(torch.zeros(50, 2), log_var=0.0, components=4)
    z = torch.tensor([[0.5, -1.0]])
    assert prior.n_active == 0
    assert float(prior.log_prob(z)) == pytest.approx(norm.logpdf([0.5, -1.0]).sum(), abs=1e-5)
    assert prior.sample(0)[0].shape == (0, 2)


def test_log_prob_has_a_gradient():
    prior = fitted(normals(200), components=2)
    z = normals(4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(prior.log_prob, (z,))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"components": 0}, "components of at least 1"),
        ({"active": -1.0}, "active of at least 0"),
        ({"n_globals": 1, "integers": [1]}, "integers as columns from 0 to 0"),
    ],
)
def test_arguments_that_make_no_prior(options, message):
    with pytest.raises(InputError, match=message):
        MixturePrior(2, **options)


def test_what_cannot_be_fitted_says_why():
    z = normals(20)
    with pytest.raises(InputError, match=r"fit_prior\(batches\).*RefitPrior"):
        MixturePrior(3).sample(2)
    with pytest.raises(
        InputError, match=r"as many jets as a mixture has components \(40\).*got 20"
    ):
        fitted(z)
    with pytest.raises(InputError, match="jets of class 1 as a mixture"):
        fitted(z, torch.tensor([0] * 19 + [1]), components=2, n_classes=2)
    wrong = z.clone()
    wrong[7, 1] = float("nan")
    with pytest.raises(InputError, match="Jet 7 has a mean"):
        fitted(wrong, components=1)
    with pytest.raises(InputError, match=r"mean \[J, 2\]"):
        MixturePrior(2).fit(z, z)
    with pytest.raises(InputError, match=r"jet_globals \[20, 1\], but got none"):
        fitted(z, components=1, n_globals=1)
    with pytest.raises(InputError, match="Jet 3 has a weight"):
        fitted(z, None, None, torch.ones(20).index_fill(0, torch.tensor([3]), -1.0), components=1)
    with pytest.raises(InputError, match=r"Expected z \[n, 3\]"):
        fitted(z, components=1).log_prob(z[:, :2])
