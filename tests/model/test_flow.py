"""The flow: its density is that of what it draws, and it knows clusters."""

from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

from clouds import as_latents, draws, two_clouds
from imagevae.model.flow import FlowPrior
from imagevae.training.checkpoint import Checkpoint
from imagevae.training.fit_flow import fit_flow
from imagevae.training.loop import Best


@pytest.mark.parametrize("side", [0, 1])
def test_a_flow_that_has_learned_nothing_is_a_normal_distribution(side: int):
    flow = FlowPrior(2, 8, side)
    flow.standardise(np.float32([1, -2]), np.float32([0.5, 3]))
    z = draws(flow, 10)
    expected = multivariate_normal([1, -2], np.diag([0.25, 9])).logpdf(z)
    assert flow.log_prob(z) == pytest.approx(expected, abs=1e-4)


def trained(flow: FlowPrior, training: np.ndarray, held_out: np.ndarray, steps: int, folder: Path) -> FlowPrior:
    keras.utils.set_random_seed(0)
    best = Best(lambda logs: logs["val_loss"], Checkpoint(folder / "flow.npz", ""))
    return fit_flow(flow, as_latents(training)[None], as_latents(held_out), best, steps, seed=0)


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> FlowPrior:
    """A flow that was trained on `two_clouds`."""
    points = two_clouds(5000), two_clouds(500, seed=1)
    return trained(FlowPrior(2, 64, blocks=2), *points, 1000, tmp_path_factory.mktemp("flow"))


@pytest.mark.slow  # with its fixture
def test_a_flow_draws_what_it_was_trained_on(flow: FlowPrior):
    drawn, real = draws(flow, 4000), two_clouds(4000, seed=2)
    assert drawn.mean(axis=0) == pytest.approx(real.mean(axis=0), abs=0.15)
    assert np.cov(drawn.T) == pytest.approx(np.cov(real.T), abs=0.2)
    near = [(np.linalg.norm(points - (2, 0), axis=1) < 1).mean() for points in (drawn, real)]
    assert near[0] == pytest.approx(near[1], abs=0.05)


def test_a_flow_knows_the_density_of_what_it_draws(flow: FlowPrior):
    """The density adds up to 1 over the plane, and real points are likelier than under the best single Gaussian."""
    side = np.linspace(-5, 5, 41, dtype=np.float32)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    assert np.exp(flow.log_prob(plane)).sum() * 0.25**2 == pytest.approx(1, abs=0.05)
    real = two_clouds(1000, seed=2)
    single = multivariate_normal(real.mean(axis=0), np.cov(real.T))
    assert flow.log_prob(real).mean() > single.logpdf(real).mean() + 0.3


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
    points = (around(shapes, count, count)[0] for count in (2000, 500))
    return trained(FlowPrior(64, 64, blocks=1), *points, 600, tmp_path_factory.mktemp("clustered"))


@pytest.mark.slow  # with its fixture
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
    assert near[-1] < near[0] - 0.01


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


def test_mixed_precision_is_of_the_networks_alone(clustered: FlowPrior):
    """Weights, points and velocities are float32; a copy computes in it."""
    mixed = FlowPrior(**clustered.settings, precision="mixed_bfloat16")
    mixed.set_weights(clustered.get_weights())
    assert {weight.dtype for weight in mixed.weights} == {"float32"}
    noise = np.random.default_rng(0)
    z, choice = noise.standard_normal((100, 64), np.float32), noise.random(100, np.float32)
    exact, rough = clustered.sample(z, choice), mixed.sample(z, choice)
    assert rough.dtype == np.float32
    assert not np.array_equal(exact, rough)
    assert rough == pytest.approx(exact, abs=0.2)
    copy = FlowPrior.from_config(mixed.get_config())
    copy.set_weights(mixed.get_weights())
    assert np.array_equal(copy.sample(z, choice), exact)
