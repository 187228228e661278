"""Probability of 8-bit images under a decoder's output, and divergence of latents from the prior."""

import math

from keras import KerasTensor, ops

LEVELS = 255.0  # networks see pixels as levels, 0 to 255, divided by this


def absolute_error(pixels: KerasTensor, location: KerasTensor) -> KerasTensor:
    """Expected absolute error of the dequantised image, the mean over its pixels, in units of `pixels`.

    Noise u that is uniform over the width of a level is added to each; in levels, the expectation of |d + u| is |d|
    where it is more than 1/2, and d^2 + 1/4 elsewhere.

    Args:
        pixels, location: (n, height, width, channels), levels divided by 255.

    Returns:
        (n,), never below a quarter of a level.
    """
    apart = ops.abs(pixels - location) * LEVELS
    return ops.mean(apart + ops.square(ops.relu(0.5 - apart)), axis=(1, 2, 3)) / LEVELS


def log_likelihood(pixels: KerasTensor, location: KerasTensor, scale: KerasTensor) -> KerasTensor:
    """Log-probability of 8-bit images under a Laplace decoder, by uniform dequantisation.

    Noise that is uniform over the width of a level is added to the image; the expected log-density of the sum is a
    lower bound on the log-probability of the 8-bit image (Theis et al. 2016, section 3.1). The expectation is exact.
    So the figures are comparable between models of the same resolution.

    Args:
        pixels, location: (n, height, width, channels), levels divided by 255.
        scale: of the decoder's Laplace distribution, its mean absolute deviation, in units of `pixels`, one for all.

    Returns:
        (n,), nats.
    """
    dimensions = math.prod(pixels.shape[1:])
    density = -ops.log(2 * scale) - absolute_error(pixels, location) / scale
    return dimensions * (density - math.log(LEVELS))


def kl_per_unit(z_mean: KerasTensor, z_log_sigma: KerasTensor) -> KerasTensor:
    """KL divergence of N(z_mean, exp(z_log_sigma)^2) from N(0, 1), unit by unit (Kingma & Welling 2014, appendix B).

    Args:
        z_mean, z_log_sigma: (n, latent_dim).

    Returns:
        (n, latent_dim), nats.
    """
    return 0.5 * (ops.square(z_mean) + ops.exp(2 * z_log_sigma) - 1) - z_log_sigma
