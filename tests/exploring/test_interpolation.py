"""The way between images, and what lies around one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imagevae.exploring.interpolation import (
    between,
    interpolation,
    interpolations,
    latents,
    midpoints,
    origins,
    spherical,
    strips,
    variations,
    variations_sheet,
)
from imagevae.model.coding import decode_in_batches, encode
from imagevae.model.vae import VAE

POINTS = arrays(np.float32, (1, 5), elements=st.floats(-8, 8, width=32))
SHARES = np.linspace(0, 1, 9)


def way(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    return spherical(np.repeat(start, 9, axis=0), np.repeat(end, 9, axis=0), SHARES)


@given(POINTS, POINTS)
def test_the_way_leads_from_one_point_to_the_other(start: np.ndarray, end: np.ndarray):
    found = way(start, end)
    assert (found.dtype, found.shape) == (np.float32, (9, 5))
    assert found[0] == pytest.approx(start[0], abs=1e-4)
    assert found[-1] == pytest.approx(end[0], abs=1e-4)
    assert np.isfinite(found).all()
    assert way(end, start)[::-1] == pytest.approx(found, abs=1e-3)


@given(st.integers(0, 2**32 - 1), st.integers(2, 300))
def test_between_points_of_one_length_the_way_keeps_that_length_and_its_pace(seed: int, dimensions: int):
    ends = np.random.default_rng(seed).standard_normal((2, 1, dimensions))
    found = way(*(ends / np.linalg.norm(ends, axis=2, keepdims=True)).astype(np.float32))
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(9), abs=1e-3)
    paces = np.linalg.norm(np.diff(found, axis=0), axis=1)
    assert paces == pytest.approx(np.full(8, paces[0]), abs=1e-2)


@pytest.mark.parametrize("end", [[2.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_without_a_great_circle_the_way_is_straight(end: list[float]):
    found = way(np.float32([[1, 0]]), np.float32([end]))
    assert found[:, 0] == pytest.approx(1 + SHARES * (end[0] - 1))


@pytest.fixture(scope="module")
def model() -> VAE:
    """A model with a flow that moves points a lot, though it has learned nothing."""
    model = VAE(size=8, network="vector", latent_dim=4, width=4, flow_width=16, densities={"flow": 0.0}, sampler="flow")
    noise = np.random.default_rng(0)
    model.flow.network.set_weights([0.1 * noise.normal(size=w.shape) for w in model.flow.network.get_weights()])
    model.flow.standardise(np.float32([1, 0, 0, -1]), np.float32([1, 2, 1, 1]))
    model.flow.group(noise.normal(size=(3, 4)), np.full(3, 1 / 3))
    return model


@pytest.fixture(scope="module")
def bare() -> VAE:
    """The same without a flow."""
    return VAE(size=8, network="vector", latent_dim=4, width=4)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (5, 8, 8, 3), np.uint8)


def test_latents_come_back_from_their_origins(model: VAE):
    z = np.random.default_rng(2).normal(size=(300, 4)).astype(np.float32)
    found = origins(model, z)
    assert np.abs(found.noise - model.flow.to_points(z)).mean() > 0.05
    assert latents(model, found) == pytest.approx(z, abs=1e-4)
    assert np.abs(found.rest).mean() < 0.01 * np.abs(found.noise - model.flow.to_points(z)).mean()


def test_between_origins_everything_changes_gradually(model: VAE):
    z = np.random.default_rng(2).normal(size=(2, 4)).astype(np.float32) * 3
    start, end = (origins(model, z).some(np.full(65, row)) for row in (0, 1))
    assert not np.array_equal(start.clusters, end.clusters)
    found = latents(model, between(start, end, np.linspace(0, 1, 65)))
    steps = np.linalg.norm(np.diff(found, axis=0), axis=1)
    assert steps.max() < 4 * np.median(steps)


def test_the_ends_are_reconstructions_to_the_pixel(model: VAE, bare: VAE, images: np.ndarray):
    pairs = [(0, 1), (1, 4), (4, 0)]
    for some in (model, bare):
        rebuilt = list(decode_in_batches(some, encode(some, images).z_mean))
        ways = interpolation(some, images, pairs, 4)
        assert ways.shape == (3, 5, 8, 8, 3)
        for row, (first, last) in zip(ways, pairs, strict=True):
            assert np.array_equal(row[0], rebuilt[first])
            assert np.array_equal(row[-1], rebuilt[last])
    shares = np.linspace(0, 1, 5)
    z = encode(bare, images).z_mean
    expected = decode_in_batches(bare, spherical(np.repeat(z[:1], 5, axis=0), np.repeat(z[1:2], 5, axis=0), shares))
    assert np.array_equal(interpolation(bare, images, [(0, 1)], 4)[0], list(expected))


def test_midpoints_lie_in_the_middle_of_the_way(model: VAE, images: np.ndarray):
    z = encode(model, images).z_mean
    [middle] = decode_in_batches(model, midpoints(model, z[:1], z[1:2]))
    assert np.abs(middle - interpolation(model, images, [(0, 1)], 2)[0, 1].astype(int)).max() <= 1


def test_variations_come_nearer_the_more_is_kept(model: VAE, images: np.ndarray):
    made = variations(model, images[0], [1.0, 0.9, 0.0], 16, seed=0)
    assert made.shape == (3, 16, 8, 8, 3)
    [rebuilt] = decode_in_batches(model, encode(model, images[:1]).z_mean)
    assert (made[0] == rebuilt).all()
    near, far = (np.abs(row.astype(int) - rebuilt).mean() for row in made[1:])
    assert 0 < near < far
    assert np.array_equal(variations(model, images[0], [0.0], 16, seed=0)[0], made[2])
    assert not np.array_equal(variations(model, images[0], [0.0], 16, seed=1)[0], made[2])


def test_what_is_kept_of_nothing_is_a_sample(bare: VAE, images: np.ndarray):
    """Without a flow, that is, where noise is drawn as latents."""
    noise = np.random.default_rng(7).standard_normal((3, 4), np.float32)
    assert np.array_equal(variations(bare, images[0], [0.0], 3, seed=7)[0], list(decode_in_batches(bare, noise)))


def test_sheets_show_images_apart_from_what_is_made_of_them():
    first, last, *between = (np.full((8, 8, 3), level, np.uint8) for level in (1, 2, 3, 4, 5))
    picture = strips([first, last], [(0, 1)], np.stack([between]))
    assert picture.shape == (8, 5 * 8 + 2, 3)
    assert (picture[:, :8] == 1).all()
    assert (picture[:, -8:] == 2).all()
    assert (picture[:, 9 : 9 + 8] == 3).all()
    picture = variations_sheet(first, np.stack([between, between]))
    assert picture.shape == (16, 4 * 8 + 1, 3)
    assert (picture[8:, :8] == 1).all()
    assert (picture[8:, 9:17] == 3).all()


def test_one_image_is_enough_for_a_picture(bare: VAE, images: np.ndarray):
    assert interpolations(bare, images[:1]).shape == (8, 11 * 8 + 2, 3)
    assert interpolations(bare, images).shape == (16, 11 * 8 + 2, 3)
