"""Every image falls into exactly one of training and held-out, by its content alone."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import as_images
from imagevae.cli.errors import BadInput
from imagevae.dataset.held_out import is_held_out, split

shares = st.floats(0.01, 0.99)


def images(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), np.uint8)


def held_out_mask(pictures: np.ndarray, share: float) -> np.ndarray:
    return np.array([is_held_out(picture, share) for picture in pictures], bool)


@given(count=st.integers(1, 50), more=st.integers(0, 50), seed=st.integers(0, 999), share=shares)
def test_adding_images_moves_none(count: int, more: int, seed: int, share: float):
    pictures = images(count + more, seed)
    order = np.random.default_rng(seed).permutation(count + more)
    mask = held_out_mask(pictures, share)
    assert np.array_equal(held_out_mask(pictures[:count], share), mask[:count])
    assert np.array_equal(held_out_mask(pictures[order], share), mask[order])


@given(seed=st.integers(0, 999), share=shares, larger=shares)
def test_equal_images_fall_on_the_same_side_and_larger_shares_keep_smaller_ones(seed: int, share: float, larger: float):
    pictures = images(30, seed)
    mask = held_out_mask(pictures, share)
    assert np.array_equal(held_out_mask(np.concatenate([pictures, pictures]), share), np.tile(mask, 2))
    if larger >= share:
        assert (held_out_mask(pictures, larger) | ~mask).all()


def test_the_share_is_about_what_was_asked_for():
    mask = held_out_mask(images(20_000, 0), 0.1)
    assert abs(mask.mean() - 0.1) < 4 * (0.1 * 0.9 / 20_000) ** 0.5  # four standard errors, of one fixed set


def test_both_sides_need_images():
    for share in (1e-6, 1 - 1e-6):
        with pytest.raises(BadInput, match="squares: of 20 images"):
            split(as_images(images(20, 0)), share, Path("squares"))
    training, held_out = split(as_images(images(20, 0)), 0.5, Path("squares"))
    assert len(training) + len(held_out) == 20
