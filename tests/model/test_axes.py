"""Codes: from latents to them and back."""

import keras
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imagevae.model.axes import Axes


def turned(latent_dim: int, count: int, seed: int) -> Axes:
    """Axes in random directions, with a mean and a scale of their own."""
    noise, axes = np.random.default_rng(seed), Axes(latent_dim, count)
    axes.shift.assign(noise.normal(size=latent_dim))
    axes.scale.assign(noise.uniform(0.1, 3, latent_dim))
    axes.directions.assign(np.linalg.qr(noise.normal(size=(latent_dim, latent_dim)))[0][:count])
    return axes


@given(latent_dim=st.integers(1, 12), data=st.data())
def test_a_code_comes_back_from_the_latents_that_have_it(latent_dim: int, data: st.DataObject):
    axes = turned(latent_dim, data.draw(st.integers(1, latent_dim)), seed=data.draw(st.integers(0, 99)))
    codes = np.random.default_rng(0).normal(size=(5, axes.count)).astype(np.float32)
    latents = axes.decode(codes)
    assert latents.shape == (5, latent_dim)
    np.testing.assert_allclose(axes.encode(latents), codes, atol=1e-4)


def test_a_code_of_zeros_is_the_mean():
    axes = turned(6, 3, seed=0)
    np.testing.assert_array_equal(axes.decode(np.zeros((1, 3), np.float32))[0], keras.ops.convert_to_numpy(axes.shift))
