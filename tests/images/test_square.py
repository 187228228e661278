"""Resizing, checked against averages in floating point."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagevae.images.square import fit_square, resample


def area_average(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Exact averages over the areas of the result's pixels, by weights of overlap."""

    def weights(size: int, target: int) -> np.ndarray:
        edges = np.arange(target + 1) * (size / target)
        low, high = np.arange(size), np.arange(size) + 1
        overlap = np.minimum(edges[1:, None], high) - np.maximum(edges[:-1, None], low)
        return np.clip(overlap, 0, None) * (target / size)

    down, across = weights(pixels.shape[0], height), weights(pixels.shape[1], width)
    return np.einsum("yh,hwc,xw->yxc", down, pixels.astype(float), across)


sizes = st.integers(8, 70)


@given(height=sizes, width=sizes, target=st.integers(8, 70), seed=st.integers(0, 99))
def test_shrinking_averages_over_areas(height: int, width: int, target: int, seed: int):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    target = min(target, height, width)
    assert np.abs(resample(pixels, target, target) - area_average(pixels, target, target)).max() <= 0.51


@given(height=st.integers(1, 40), width=st.integers(1, 40), size=st.integers(8, 40), level=st.integers(0, 255))
@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_a_flat_image_stays_flat_and_padding_is_background(height: int, width: int, size: int, level: int, fit: str):
    pixels = np.full((height, width, 3), level, np.uint8)
    square = fit_square(pixels, size, fit, (1, 2, 3))
    assert square.shape == (size, size, 3)
    image = (square == level).all(axis=2)
    assert image.any()
    assert (square[~image] == (1, 2, 3)).all()
    if fit != "pad":
        assert image.all()


def test_fits_keep_what_they_say():
    wide = np.zeros((20, 40, 3), np.uint8)
    wide[:, :10] = 200  # the left quarter
    padded, cropped, stretched = (fit_square(wide, 20, fit, (7, 7, 7)) for fit in ("pad", "crop", "stretch"))
    assert (padded[:5] == 7).all()
    assert (padded[15:] == 7).all()
    assert (padded[5:15, :5] == 200).all()
    assert (cropped == 0).all()
    assert (stretched[:, :5] == 200).all()
    assert (stretched[:, 5:] == 0).all()


def test_an_image_of_the_right_size_is_not_touched():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    for fit in ("pad", "crop", "stretch"):
        assert np.array_equal(fit_square(pixels, 16, fit, (0, 0, 0)), pixels)
