"""Encoding and decoding in batches: of one image at a time, and what stands beside it does not matter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops

from imagevae.cli.errors import BadInput
from imagevae.model.coding import (
    BATCH,
    Posterior,
    active_units,
    decode_in_batches,
    encode,
    encode_in_batches,
    to_levels,
)
from imagevae.model.vae import VAE

IMAGES = np.random.default_rng(0).integers(0, 256, (BATCH + 6, 8, 8, 3), np.uint8)
LATENTS = np.random.default_rng(1).standard_normal((BATCH + 6, 4)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> VAE:
    """A model as it is at the start, which makes a different image of each z."""
    return VAE(size=8, network="mlp", latent_dim=4, width=4)


def test_images_are_encoded_one_by_one_as_all_at_once(model: VAE):
    z_mean, z_log_sigma = map(ops.convert_to_numpy, model.encode(IMAGES))
    found = encode(model, IMAGES)
    assert found.z_mean == pytest.approx(z_mean, abs=1e-5)
    assert found.z_log_sigma == pytest.approx(z_log_sigma, abs=1e-5)
    for number, posterior in enumerate(encode_in_batches(model, iter(IMAGES))):
        assert np.array_equal(posterior.z_mean, found.z_mean[number])
        assert np.array_equal(posterior.z_log_sigma, found.z_log_sigma[number])


@pytest.mark.parametrize("first", [0, 1, 10, BATCH])
def test_what_becomes_of_a_row_does_not_depend_on_those_beside_it(first: int, model: VAE):
    assert np.array_equal(encode(model, IMAGES[first:]).z_mean, encode(model, IMAGES).z_mean[first:])
    whole, part = (list(decode_in_batches(model, z)) for z in (LATENTS, LATENTS[first:]))
    assert np.array_equal(part, whole[first:])


def test_pixels_that_are_no_numbers_are_refused(model: VAE):
    with pytest.raises(BadInput, match="pixels that are infinite or no numbers"):
        list(decode_in_batches(model, np.full((3, 4), np.inf, np.float32)))


@pytest.mark.parametrize("place", [0, 7])
def test_latents_that_are_no_numbers_are_refused(place: int, model: VAE):
    other = model.copy()
    other.encoder.weights[-1].assign(np.where(np.arange(8) == place, np.inf, 0))
    with pytest.raises(BadInput, match="latents that are infinite or no numbers"):
        encode(other, IMAGES[:2])


def test_latents_are_decoded_to_the_nearest_levels(model: VAE):
    expected = np.clip(ops.convert_to_numpy(model.decode(LATENTS)), 0, 1) * 255
    images = np.stack(list(decode_in_batches(model, iter(LATENTS))))
    assert images.dtype == np.uint8
    assert np.abs(images - expected).max() <= 0.5 + 1e-3
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == len(images)


@given(st.floats(-10, 10))
def test_levels_are_rounded_and_kept_in_range(value: float):
    [level] = to_levels(np.float32([value]))
    assert abs(level / 255 - np.clip(value, 0, 1)) <= 0.5 / 255 + 1e-6


def test_a_posterior_is_drawn_from_around_its_mean():
    z_mean, z_log_sigma = np.full((50_000, 2), np.float32([3, -1])), np.log(np.full((50_000, 2), np.float32([0.5, 2])))
    posterior = Posterior(z_mean, z_log_sigma)
    z = posterior.draw(0)
    assert z.dtype == np.float32
    assert z.mean(axis=0) == pytest.approx([3, -1], abs=0.05)
    assert z.std(axis=0) == pytest.approx([0.5, 2], abs=0.05)
    assert np.array_equal(z, posterior.draw(0))
    assert not np.array_equal(z, posterior.draw(1))


def test_units_that_vary_with_the_image_are_active():
    z_mean = np.random.default_rng(0).standard_normal((1000, 3)) * [1, 0.2, 0.05] + [0, 5, 5]
    assert active_units(z_mean).tolist() == [True, True, False]
