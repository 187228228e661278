"""Drawing latents: a seed gives the same ones, however many are asked for."""

import itertools
from typing import Any

import numpy as np
import pytest

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


@pytest.fixture(params=[lambda: NormalPrior(LATENTS), mixture, flow], ids=["normal", "mixture", "flow"])
def prior(request: pytest.FixtureRequest) -> Prior:
    return request.param()


def drawn(prior: Prior, count: int, seed: int = 0, **how: float) -> np.ndarray:
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
