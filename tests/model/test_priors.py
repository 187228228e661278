"""The normal distribution and mixtures: their densities are right, and what they draw follows them."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.mixture import GaussianMixture

from clouds import draws, two_clouds
from imagevae.model.priors import MixturePrior, NormalPrior, chosen


def test_the_normal_prior():
    z = draws(NormalPrior(3), 5)
    assert NormalPrior(3).log_prob(z) == pytest.approx(norm.logpdf(z).sum(axis=1))


@pytest.mark.parametrize("covariance", ["diag", "full"])
def test_a_mixture_is_that_of_scikit_learn(covariance: str):
    points = two_clouds(2000)
    reference = GaussianMixture(3, covariance_type=covariance, random_state=0).fit(points)
    prior = MixturePrior(2, 3, covariance)
    factor = np.linalg.cholesky if covariance == "full" else np.sqrt
    prior.set(reference.weights_, reference.means_, factor(reference.covariances_))
    assert prior.log_prob(points) == pytest.approx(reference.score_samples(points), abs=1e-4)
    drawn = draws(prior, 50_000)
    assert drawn.mean(axis=0) == pytest.approx(points.mean(axis=0), abs=0.05)
    assert np.cov(drawn.T) == pytest.approx(np.cov(points.T), abs=0.1)


def test_a_component_without_a_share_is_left_out():
    prior, bare = MixturePrior(2, 2, "diag"), MixturePrior(2, 1, "diag")
    prior.set(np.array([1.0, 0.0]), np.array([[0.0, 0.0], [9.0, 9.0]]), np.ones((2, 2)))
    bare.set(np.ones(1), np.zeros((1, 2)), np.ones((1, 2)))
    z = draws(prior, 1000)
    assert np.array_equal(z, draws(bare, 1000))
    assert np.array_equal(prior.log_prob(z), bare.log_prob(z))


def test_choices_are_as_frequent_as_the_shares():
    shares = np.array([0.1, 0, 0.6, 0.3])
    which = chosen(shares, np.random.default_rng(0).random(100_000, np.float32))
    assert np.bincount(which, minlength=4) / len(which) == pytest.approx(shares, abs=0.01)
    assert chosen(shares, np.float32([0, 1 - 2**-24])).tolist() == [0, 3]
