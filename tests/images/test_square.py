"""Resizing, checked against averages in floating point."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagevae.images.codec import decode, flatten
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


@given(
    shape=st.tuples(st.integers(8, 300), st.integers(8, 300)),
    background=st.sampled_from([(0, 0, 0), (255, 255, 255), (3, 130, 250)]),
    kind=st.sampled_from([".png", ".jpg"]),
    seed=st.integers(0, 999),
)
def test_resized_images_are_within_rounding_of_a_full_decode_composite_and_area_resize_in_float(
    shape: tuple[int, int], background: tuple[int, int, int], kind: str, seed: int
):
    random = np.random.default_rng(seed)
    pixels = cv2.resize(random.integers(0, 256, (6, 6, 4), np.uint8), shape, interpolation=cv2.INTER_CUBIC)
    data = cv2.imencode(kind, pixels[:, :, :3] if kind == ".jpg" else pixels)[1].tobytes()
    exact = decode(data).astype(np.float64)
    if kind == ".png":
        alpha = exact[:, :, 3:] / 255
        exact = exact[:, :, :3] * alpha + np.asarray(background) * (1 - alpha)
    exact = area_average(exact, 8, 8)
    resized = fit_square(flatten(decode(data), background), 8, "stretch", background)
    assert np.abs(resized - exact).max() <= 1.01  # rounded once after compositing and once after resizing
