"""Probability of 8-bit images under a decoder's output, and divergence of latents from the prior."""

import math

from keras import KerasTensor, ops

LEVELS = 255.0  # networks see pixels as levels, 0 to 255, divided by this
DEQUANTISATION = 1 / 12 / LEVELS**2  # variance of noise that is uniform over the width of a level


def mean_square_error(pixels: KerasTensor, mean: KerasTensor) -> KerasTensor:
    """Mean squared error of the dequantised image, in squared units of `pixels`.

    Args:
        pixels, mean: (n, height, width, channels), levels divided by 255.

    Returns:
        (n,), never below the variance of the dequantisation.
    """
    return ops.mean(ops.square(pixels - mean), axis=(1, 2, 3)) + DEQUANTISATION


def log_likelihood(pixels: KerasTensor, mean: KerasTensor, variance: KerasTensor) -> KerasTensor:
    """Log-probability of 8-bit images under a Gaussian decoder, by uniform dequantisation.

    Noise that is uniform over the width of a level is added to the image; the expected log-density of the sum is a
    lower bound on the log-probability of the 8-bit image (Theis et al. 2016, section 3.1). For a Gaussian the
    expectation is exact: it adds 1/12 of a squared level to the squared error. So the figures are comparable between
    models of the same resolution.

    Args:
        pixels, mean: (n, height, width, channels), levels divided by 255.
        variance: of the decoder's Gaussian, in squared units of `pixels`, one for all.

    Returns:
        (n,), nats.
    """
    dimensions = math.prod(pixels.shape[1:])
    density = -0.5 * (ops.log(2 * math.pi * variance) + mean_square_error(pixels, mean) / variance)
    return dimensions * (density - math.log(LEVELS))


def kl_per_unit(z_mean: KerasTensor, z_log_sigma: KerasTensor) -> KerasTensor:
    """KL divergence of N(z_mean, exp(z_log_sigma)^2) from N(0, 1), unit by unit (Kingma & Welling 2014, appendix B).

    Args:
        z_mean, z_log_sigma: (n, latent_dim).

    Returns:
        (n, latent_dim), nats.
    """
    return 0.5 * (ops.square(z_mean) + ops.exp(2 * z_log_sigma) - 1) - z_log_sigma
