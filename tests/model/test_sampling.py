"""Drawing latents: a seed gives the same ones, however many are asked for."""

import itertools
from typing import Any

import numpy as np
import pytest

from imagevae.cli.errors import BadInput
from imagevae.model.classes import NO_CLASS
from imagevae.model.flow import FlowPrior
from imagevae.model.priors import MixturePrior, NormalPrior, Prior
from imagevae.model.sampling import BLOCK, draw_latents

LATENTS = 3


def mixture() -> MixturePrior:
    prior = MixturePrior(LATENTS, 2, "diag")
    prior.set(np.array([0.3, 0.7]), np.array([[5.0] * LATENTS, [-5.0] * LATENTS]), np.ones((2, LATENTS)))
    return prior


def flow() -> FlowPrior:
    """A flow of random weights, which has learned nothing."""
    prior, noise = FlowPrior(LATENTS, 8, blocks=1), np.random.default_rng(0)
    prior.set_weights([0.3 * noise.standard_normal(weight.shape) for weight in prior.get_weights()])
    prior.group(noise.standard_normal((5, LATENTS)), np.full(5, 0.2))
    return prior


def of_classes() -> FlowPrior:
    """The same of classes, the clusters of which lie among each other, and of images of no class."""
    prior, noise = FlowPrior(LATENTS, 8, blocks=1, classes=["a", "b"]), np.random.default_rng(0)
    prior.set_weights([0.3 * noise.standard_normal(weight.shape) for weight in prior.get_weights()])
    prior.group(noise.standard_normal((5, LATENTS)), np.arange(1, 6) / 15, np.array([0, NO_CLASS, 1, 0, 1]))
    return prior


@pytest.fixture(params=[lambda: NormalPrior(LATENTS), mixture, flow], ids=["normal", "mixture", "flow"])
def prior(request: pytest.FixtureRequest) -> Prior:
    return request.param()


def drawn(prior: Prior, count: int, seed: int = 0, **how: Any) -> np.ndarray:
    return np.stack(list(draw_latents(prior, count, seed, steps=2, **how)))


def test_a_draw_does_not_depend_on_how_many_there_are(prior: Prior):
    many = drawn(prior, 2 * BLOCK + 1)
    assert many.shape == (2 * BLOCK + 1, LATENTS)
    for count in (1, 64, BLOCK - 1, BLOCK, BLOCK + 1):
        assert np.array_equal(drawn(prior, count), many[:count])
    assert len(np.unique(many, axis=0)) == len(many)


def test_no_more_latents_are_made_than_are_asked_for():
    class Counted(NormalPrior):
        made = 0

        def sample(self, noise: np.ndarray, *rest: Any, **how: Any) -> np.ndarray:
            self.made += len(noise)
            return super().sample(noise, *rest, **how)

    for count in (1, BLOCK, BLOCK + 1):
        normal = Counted(LATENTS)
        drawn(normal, count)
        assert normal.made == count


def test_draws_depend_on_the_seed_and_the_temperature(prior: Prior):
    z = drawn(prior, 10)
    assert np.array_equal(z, drawn(prior, 10, seed=0))
    assert not np.array_equal(z, drawn(prior, 10, seed=1))
    assert not np.array_equal(z, drawn(prior, 10, temperature=0.5))


def test_temperature_is_the_standard_deviation_of_the_noise():
    normal = NormalPrior(LATENTS)
    assert drawn(normal, 5, temperature=0.5) == pytest.approx(0.5 * drawn(normal, 5))
    cold = drawn(mixture(), 200, temperature=0.0)
    assert {tuple(z) for z in cold} == {(5.0,) * LATENTS, (-5.0,) * LATENTS}


def test_guidance_is_of_the_flow_alone(prior: Prior):
    guided = [drawn(prior, 5, guidance=guidance) for guidance in (0.0, 1.0, 3.0)]
    for one, other in itertools.pairwise(guided):
        assert np.allclose(one, other) != isinstance(prior, FlowPrior)


def test_latents_are_drawn_as_they_are_asked_for():
    """So that the memory does not grow with their number."""
    stream = draw_latents(NormalPrior(LATENTS), 10**12, 0)
    assert len(list(itertools.islice(stream, BLOCK + 5))) == BLOCK + 5


def test_what_is_drawn_of_a_class_comes_from_its_clusters_by_their_shares():
    """As from a flow of the same network that has no others."""
    prior, noise = of_classes(), np.random.default_rng(1)
    z, choice = noise.standard_normal((50, LATENTS), np.float32), noise.random(50, np.float32)
    centres, shares = (weight.numpy()[:5] for weight in (prior.centres, prior.shares))
    for label, clusters in (("a", [0, 3]), ("b", [2, 4])):
        found = prior.sample(z, choice, steps=2, label=label)
        alone = of_classes()
        alone.group(centres, np.where(np.isin(np.arange(5), clusters), shares, 0))
        assert np.array_equal(found, alone.sample(z, choice, steps=2))
        assert not np.array_equal(found, prior.sample(z, choice, steps=2))


def test_each_class_has_draws_of_its_own_that_do_not_depend_on_how_many_there_are():
    prior = of_classes()
    a, b, any_of_all = (drawn(prior, BLOCK + 3, label=label) for label in ("a", "b", None))
    assert np.array_equal(drawn(prior, 5, label="b"), b[:5])
    for one, other in itertools.combinations((a, b, any_of_all), 2):
        assert not (one == other).all(axis=1).any()


def test_a_class_that_is_unknown_is_refused_at_once():
    with pytest.raises(BadInput, match="no class 'c': known are a and b"):
        draw_latents(of_classes(), 1, 0, label="c")
    for prior in (NormalPrior(LATENTS), mixture(), flow()):
        with pytest.raises(BadInput, match="no class 'a': it knows no classes"):
            draw_latents(prior, 1, 0, label="a")


def test_an_image_lies_in_the_nearest_cluster_of_its_class():
    """And, where the class is not known, in the nearest of all."""
    prior, points = of_classes(), np.random.default_rng(2).standard_normal((200, LATENTS)).astype(np.float32)
    centres, shares, owners = (weight.numpy() for weight in (prior.centres, prior.shares, prior.owners))
    near = np.log(np.maximum(shares, 1e-30)) - np.square(points[:, None] - centres).sum(axis=2) / 2
    assert np.array_equal(np.asarray(prior.cluster(points)).argmax(axis=1), near.argmax(axis=1))
    for number in (0, 1, NO_CLASS):
        found = np.asarray(prior.cluster(points, np.full(200, number, np.float32)))
        assert found.shape == (200, prior.places)
        assert np.array_equal(found.argmax(axis=1), np.where(owners == number, near, -np.inf).argmax(axis=1))


def test_there_are_clusters_for_more_classes_than_there_would_be():
    prior = FlowPrior(2, 8, blocks=1, classes=[str(number) for number in range(100)])
    prior.group(np.zeros((101, 2)), np.full(101, 1 / 101), np.arange(-1, 100))
    assert np.isfinite(drawn(prior, 3, label="99")).all()
