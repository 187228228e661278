"""Local textures: what counts is how rough each place is, and not where each grain lies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import ops
from numpy.typing import NDArray

from imagevae.model.texture import STEP, WINDOW, texture, texture_error

sizes = st.integers(8, 40)
seeds = st.integers(0, 99)
roughness = st.floats(0.01, 0.2)


def grain(seed: int, size: int, deviation: float = 0.1) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(0.5, deviation, (1, size, size, 3))
    return noise.astype(np.float32)


def apart(one: NDArray, other: NDArray, scale: float = 0.01) -> float:
    return float(texture_error(ops.array(one, "float32"), ops.array(other, "float32"), scale)[0])


@given(shape=st.tuples(st.integers(2, 40), st.integers(2, 40), st.integers(1, 3)), seed=seeds)
def test_textures_are_means_of_differences_over_places(shape: tuple[int, int, int], seed: int):
    pictures = np.random.default_rng(seed).random((2, *shape), np.float32)
    for axis, found in zip((2, 1), texture(ops.array(pictures)), strict=True):
        places = ops.average_pool(np.abs(np.diff(pictures, axis=axis)), WINDOW, strides=STEP, padding="same")
        expected = ops.convert_to_numpy(ops.reshape(places, found.shape))
        assert ops.convert_to_numpy(found) == pytest.approx(expected, abs=1e-6)


@given(size=sizes, seed=seeds, light=st.floats(-0.5, 0.5))
def test_light_is_no_texture(size: int, seed: int, light: float):
    picture = grain(seed, size)
    assert apart(picture, picture) == 0
    assert apart(picture, picture + light) == pytest.approx(0, abs=1e-6)
    assert apart(np.full_like(picture, 0.5), np.full_like(picture, light)) == 0


@given(size=sizes, seed=seeds, deviation=roughness)
def test_other_grain_of_the_same_kind_is_nearer_than_none(size: int, seed: int, deviation: float):
    picture, other = grain(seed, size, deviation), grain(seed + 100, size, deviation)
    assert apart(picture, other) < apart(picture, np.full_like(picture, 0.5)) / 2


@given(size=sizes, seed=seeds, factor=st.floats(1, 3), more=st.floats(1.1, 3))
def test_it_grows_with_the_difference_in_roughness(size: int, seed: int, factor: float, more: float):
    picture = grain(seed, size)
    for contrasts in ((factor, factor * more), (1 / factor, 1 / factor / more)):
        near, far = (apart(picture, 0.5 + contrast * (picture - 0.5)) for contrast in contrasts)
        assert near < far


@given(size=sizes, seed=seeds, contrast=st.floats(0.01, 1))
def test_contrast_counts_as_it_compares_with_the_scale(size: int, seed: int, contrast: float):
    one, other = grain(seed, size), grain(seed + 100, size, 0.05)
    assert apart(contrast * one, contrast * other, 0.01 * contrast) == pytest.approx(apart(one, other), rel=1e-2)
    assert apart(one, other, 1000.0) == pytest.approx(0, abs=1e-3)


def test_places_are_told_apart():
    """Grain on the left is not as good as grain on the right."""
    left = grain(0, 32)
    left[:, :, 16:] = 0.5
    assert apart(left, left[:, :, ::-1]) > apart(left, np.full_like(left, 0.5))


def test_each_image_has_its_own():
    one, other = grain(0, 16), grain(1, 16)
    both = texture_error(ops.array(np.concatenate([one, other])), ops.array(np.concatenate([other, other])), 0.01)
    assert ops.convert_to_numpy(both) == pytest.approx([apart(one, other), 0])
