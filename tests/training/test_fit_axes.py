"""The axes along which latents vary most."""

import numpy as np
import pytest
from keras import ops

from imagevae.model.axes import AXES, Axes
from imagevae.training.fit_axes import fit_axes


def latents(images: int, deviations: list[float], sigma: float = 0.1) -> np.ndarray:
    """z_mean and z_log_sigma of images: independent units with these standard deviations, (images, 2, units)."""
    z_mean = np.random.default_rng(0).normal(size=(images, len(deviations))) * deviations
    return np.stack([z_mean, np.full_like(z_mean, np.log(sigma))], axis=1).astype(np.float32)


def values(axes: Axes, name: str) -> np.ndarray:
    return ops.convert_to_numpy(getattr(axes, name))


@pytest.mark.parametrize(("images", "units"), [(2, 1), (2, 9), (9, 9), (300, 5), (300, 200), (50, 5000)])
def test_there_are_as_many_axes_as_images_and_latents_allow(images: int, units: int):
    axes = fit_axes(latents(images, [1] * units), seed=0)
    assert axes.count == min(AXES, images - 1, units)
    directions = values(axes, "directions")
    np.testing.assert_allclose(directions @ directions.T, np.eye(axes.count), atol=1e-3)


def test_an_axis_explains_the_variance_of_its_codes():
    found = latents(2000, [3, 1, 0.5, 0.3])
    axes = fit_axes(found, seed=0)
    codes = axes.encode(found[:, 0])
    np.testing.assert_allclose(codes.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(codes.std(axis=0), values(axes, "deviations"), rtol=1e-3)
    np.testing.assert_allclose(np.cov(codes.T), np.diag(values(axes, "deviations") ** 2), atol=1e-3)
    assert values(axes, "shares").sum() == pytest.approx(1, abs=1e-4)
    assert (np.diff(values(axes, "shares")) <= 0).all()
    np.testing.assert_allclose(axes.decode(codes), found[:, 0], atol=1e-2)


def test_what_stands_out_from_its_noise_comes_first():
    """A flow sees such latents larger, and so do the axes."""
    found = latents(2000, [1, 1, 1])
    found[:, 1, 1] = np.log(0.01)
    assert np.argmax(np.abs(values(fit_axes(found, seed=0), "directions")[0])) == 1


def test_equal_images_have_axes_that_explain_nothing():
    axes = fit_axes(latents(5, [0, 0, 0]), seed=0)
    assert np.array_equal(values(axes, "shares"), [0, 0, 0])
    assert np.isfinite(axes.encode(np.zeros((1, 3), np.float32))).all()
