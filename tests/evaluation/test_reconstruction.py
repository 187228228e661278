"""Errors of images, against TensorFlow's and against what they mean."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from imagevae.evaluation.reconstruction import mse, psnr, ssim


def pictures(seed: int, count: int = 3, size: int = 24) -> np.ndarray:
    smooth = np.random.default_rng(seed).integers(0, 256, (count, size // 4, size // 4, 3), np.uint8)
    return smooth.repeat(4, axis=1).repeat(4, axis=2)


@given(seed=st.integers(0, 1000))
@settings(max_examples=10)
def test_they_agree_with_tensorflow(seed: int):
    a, b = pictures(seed), pictures(seed + 1)
    b = (0.7 * a + 0.3 * b).astype(np.uint8)
    assert ssim(a, b) == pytest.approx(tf.image.ssim(tf.constant(a), tf.constant(b), 255).numpy(), abs=1e-4)
    assert psnr(a, b) == pytest.approx(tf.image.psnr(tf.constant(a), tf.constant(b), 255).numpy(), abs=1e-3)


@pytest.mark.parametrize("size", [4, 8, 12])
def test_equal_images(size: int):
    a = pictures(0, size=size)
    assert (mse(a, a) == 0).all()
    assert psnr(a, a) == pytest.approx(100)
    assert ssim(a, a) == pytest.approx(1)
