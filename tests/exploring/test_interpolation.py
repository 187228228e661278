"""The way between two images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imagevae.exploring.interpolation import spherical, strip

latents = arrays(np.float32, 5, elements=st.floats(-8, 8, width=32))
SHARES = np.linspace(0, 1, 9)


@given(latents, latents)
def test_the_way_leads_from_one_latent_to_the_other(start: np.ndarray, end: np.ndarray):
    way = spherical(start, end, SHARES)
    assert (way.dtype, way.shape) == (np.float32, (9, 5))
    assert way[0] == pytest.approx(start, abs=1e-4)
    assert way[-1] == pytest.approx(end, abs=1e-4)
    assert np.isfinite(way).all()
    assert spherical(end, start, SHARES)[::-1] == pytest.approx(way, abs=1e-3)


@given(st.integers(0, 2**32 - 1), st.integers(2, 300))
def test_between_latents_of_one_length_the_way_keeps_that_length_and_its_pace(seed: int, latent_dim: int):
    start, end = np.random.default_rng(seed).standard_normal((2, latent_dim))
    start, end = start / np.linalg.norm(start), end / np.linalg.norm(end)
    way = spherical(start.astype(np.float32), end.astype(np.float32), SHARES)
    assert np.linalg.norm(way, axis=1) == pytest.approx(np.ones(9), abs=1e-3)
    paces = np.linalg.norm(np.diff(way, axis=0), axis=1)
    assert paces == pytest.approx(np.full(8, paces[0]), abs=1e-2)


@pytest.mark.parametrize("end", [[2.0, 0.0], [-1.0, 0.0], [0.0, 0.0]])
def test_without_a_great_circle_the_way_is_straight(end: list[float]):
    start = np.array([1.0, 0.0], np.float32)
    way = spherical(start, np.array(end, np.float32), SHARES)
    assert way[:, 0] == pytest.approx(1 + SHARES * (end[0] - 1))


def test_a_strip_shows_the_images_at_its_ends():
    first, last, *way = (np.full((8, 8, 3), level, np.uint8) for level in (1, 2, 3, 4, 5))
    picture = strip(first, last, way)
    assert picture.shape == (8, 5 * 8 + 2, 3)
    assert (picture[:, :8] == 1).all()
    assert (picture[:, -8:] == 2).all()
    assert (picture[:, 9 : 9 + 8] == 3).all()
