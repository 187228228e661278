"""Distributions of the latents: their densities are right, and what they draw follows them."""

import itertools
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.lib.stride_tricks import sliding_window_view
from scipy.stats import multivariate_normal, norm
from sklearn.mixture import GaussianMixture

from imagevae.model.flow import FlowPrior
from imagevae.model.priors import MixturePrior, NormalPrior, Prior
from imagevae.training.checkpoint import Checkpoint
from imagevae.training.fit_flow import fit_flow, moments, prominence
from imagevae.training.fit_priors import fit_mixture
from imagevae.training.loop import Best


def draws(prior: Prior, count: int, seed: int = 0) -> np.ndarray:
    """z as it is distributed, without guidance."""
    noise = np.random.default_rng(seed)
    z, choice = noise.standard_normal((count, prior.latent_dim), np.float32), noise.random(count, np.float32)
    return prior.sample(z, choice, guidance=0.0)


def two_clouds(count: int, seed: int = 0) -> np.ndarray:
    """Points of two clouds, one of them slanted, in shares of 1 to 3."""
    noise = np.random.default_rng(seed)
    points = noise.standard_normal((count, 2)) * (0.3, 0.3) + (2, 0)
    slanted = noise.standard_normal((count, 2)) @ np.array([[0.6, 0.5], [0, 0.2]]) + (-2, 1)
    return np.where(noise.random((count, 1)) < 0.25, points, slanted).astype(np.float32)


def as_latents(points: np.ndarray) -> np.ndarray:
    """Points as z_mean, with next to no posterior noise."""
    return np.stack([points, np.full_like(points, -6)], axis=1)


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


def test_the_mixture_that_is_chosen_is_the_one_held_out_points_are_likeliest_under():
    training, judges = two_clouds(2000), two_clouds(500, seed=1)
    chosen = fit_mixture(training, judges, seed=0)
    assert chosen.settings["components"] > 1
    for components in (1, 4, 16):
        for covariance in ("diag", "full"):
            other = GaussianMixture(components, covariance_type=covariance, reg_covar=1e-4, random_state=0)
            assert chosen.log_prob(judges).mean() >= other.fit(training).score(judges) - 1e-4


@pytest.mark.parametrize("side", [0, 1])
def test_a_flow_that_has_learned_nothing_is_a_normal_distribution(side: int):
    flow = FlowPrior(2, 8, side)
    flow.standardise(np.float32([1, -2]), np.float32([0.5, 3]))
    z = draws(flow, 10)
    wanted = multivariate_normal([1, -2], np.diag([0.25, 9])).logpdf(z)
    assert flow.log_prob(z) == pytest.approx(wanted, abs=1e-4)


def lowest_loss(file: Path) -> Best:
    return Best(lambda logs: logs["val_loss"], Checkpoint(file, ""))


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> FlowPrior:
    """A flow that was trained on `two_clouds`."""
    keras.utils.set_random_seed(0)
    file = tmp_path_factory.mktemp("flow") / "flow.npz"
    latents = as_latents(two_clouds(5000)), as_latents(two_clouds(500, seed=1))
    return fit_flow(FlowPrior(2, 64, blocks=2), *latents, lowest_loss(file), steps=1000, seed=0)


def test_a_flow_draws_what_it_was_trained_on(flow: FlowPrior):
    drawn, real = draws(flow, 4000), two_clouds(4000, seed=2)
    assert drawn.mean(axis=0) == pytest.approx(real.mean(axis=0), abs=0.15)
    assert np.cov(drawn.T) == pytest.approx(np.cov(real.T), abs=0.2)
    near = [(np.linalg.norm(points - (2, 0), axis=1) < 1).mean() for points in (drawn, real)]
    assert near[0] == pytest.approx(near[1], abs=0.05)


def test_a_flow_knows_the_density_of_what_it_draws(flow: FlowPrior):
    """The density adds up to 1 over the plane, and real points are likelier than under the best single Gaussian."""
    side = np.linspace(-6, 6, 81, dtype=np.float32)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    assert np.exp(flow.log_prob(plane)).sum() * 0.15**2 == pytest.approx(1, abs=0.05)
    real = two_clouds(1000, seed=2)
    single = multivariate_normal(real.mean(axis=0), np.cov(real.T))
    assert flow.log_prob(real).mean() > single.logpdf(real).mean() + 0.3


def test_a_draw_does_not_depend_on_how_many_there_are(flow: FlowPrior):
    few, many = draws(flow, 64), draws(flow, 64)
    assert np.array_equal(few, many)


def smooth(count: int, seed: int) -> np.ndarray:
    """Latents on a grid of 8x8 cells, each the mean of nine independent numbers: equal where cells are neighbours."""
    noise = np.random.default_rng(seed).standard_normal((count, 10, 10)).astype(np.float32)
    return sliding_window_view(noise, (3, 3), axis=(1, 2)).mean(axis=(3, 4)).reshape(count, 64)


def test_a_flow_that_knows_the_grid_learns_from_few_what_neighbours_have_in_common(tmp_path: Path):
    training, held_out, new = smooth(300, seed=0), smooth(300, seed=1), smooth(100, seed=2)

    def density(side: int) -> float:
        keras.utils.set_random_seed(0)
        best = lowest_loss(tmp_path / f"{side}.npz")
        flow = fit_flow(FlowPrior(64, 32, side), as_latents(training), as_latents(held_out), best, steps=150, seed=0)
        return flow.log_prob(new).mean()

    assert density(side=8) > density(side=0) + 1


@pytest.fixture(scope="module")
def shapes() -> np.ndarray:
    """Four points in 64 dimensions, of which clusters are made in shares of 1 to 4."""
    return np.random.default_rng(0).standard_normal((4, 64)).astype(np.float32)


def around(shapes: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of clusters around shapes, with the number of the cluster of each."""
    noise = np.random.default_rng(seed)
    member = noise.choice(4, count, p=[0.1, 0.2, 0.3, 0.4])
    return shapes[member] + 0.1 * noise.standard_normal((count, 64), np.float32), member


@pytest.fixture(scope="module")
def clustered(shapes: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> FlowPrior:
    keras.utils.set_random_seed(0)
    latents = (as_latents(around(shapes, count, count)[0]) for count in (2000, 500))
    best = lowest_loss(tmp_path_factory.mktemp("clustered") / "flow.npz")
    return fit_flow(FlowPrior(64, 64, blocks=1), *latents, best, steps=600, seed=0)


def test_a_flow_draws_from_the_clusters_as_often_as_they_came(clustered: FlowPrior, shapes: np.ndarray):
    drawn = draws(clustered, 2000)
    distances = np.linalg.norm(drawn[:, None] - shapes, axis=2)
    assert np.bincount(distances.argmin(axis=1)) / len(drawn) == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.03)
    assert np.median(distances.min(axis=1)) < np.linalg.norm(shapes[0] - shapes[1]) / 3


def test_guidance_leads_to_what_is_typical(clustered: FlowPrior, shapes: np.ndarray):
    """Guided draws lie nearer to the middle of their clusters."""
    noise = np.random.default_rng(0)
    z, choice = noise.standard_normal((2000, 64), np.float32), noise.random(2000, np.float32)
    near = [
        np.linalg.norm(clustered.sample(z, choice, guidance)[:, None] - shapes, axis=2).min(axis=1).mean()
        for guidance in (0, 0.5, 1)
    ]
    assert near == sorted(near, reverse=True)


def test_a_flow_knows_the_density_of_clusters(clustered: FlowPrior, shapes: np.ndarray):
    """Its bound lies below the true log-density, but for the noise of the estimate, and not far."""
    points, member = around(shapes, 500, seed=1)
    true = np.log([0.1, 0.2, 0.3, 0.4])[member] + norm.logpdf(points, shapes[member], 0.1).sum(axis=1)
    bound = clustered.log_prob(points).mean()
    single = multivariate_normal(points.mean(axis=0), np.cov(points.T)).logpdf(points).mean()
    assert single < bound < true.mean() + 1


def test_no_cluster_without_a_share_is_chosen(clustered: FlowPrior):
    assert clustered.shares.numpy()[4:].sum() == 0
    far = np.random.default_rng(0).standard_normal((500, 64)).astype(np.float32)
    assert np.asarray(clustered.cluster(far))[:, 4:].sum() == 0
    last = clustered.sample(far[:1], np.float32([1 - 2**-24]))
    assert np.isfinite(last).all()


def test_moments_of_latents_count_the_spread_of_the_posterior():
    points = two_clouds(10_000)
    latents = np.stack([points, np.full_like(points, np.log(0.5))], axis=1)
    mean, deviation, noise = moments(latents)
    assert mean == pytest.approx(points.mean(axis=0), abs=1e-4)
    assert deviation == pytest.approx(np.sqrt(points.var(axis=0) + 0.25), abs=1e-3)
    assert noise == pytest.approx(0.5)


@given(arrays(np.float32, (2, 5), elements=st.floats(2**-20, 1e3, width=32)))
def test_latents_that_stand_out_from_the_noise_are_larger_to_a_flow(both: np.ndarray):
    noise, deviation = both.min(axis=0), both.max(axis=0)
    found = prominence(deviation, noise)
    assert np.square(found).mean() == pytest.approx(1, rel=1e-4)
    assert found.max() <= 10.001 * found.min()
    for one, other in itertools.permutations(range(5), 2):
        if deviation[one] * noise[other] > 1.001 * deviation[other] * noise[one]:
            assert found[one] >= found[other]


def test_how_large_a_flow_sees_latents():
    assert prominence(np.float32([1, 9]), np.float32([1, 1])) == pytest.approx(np.sqrt([0.2, 1.8]))
