"""Measuring a model on images that it was not trained on."""

import math

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray
from tqdm import tqdm

from imagevae.dataset import Images
from imagevae.decoding import BATCH, to_levels
from imagevae.likelihood import LEVELS, kl_per_unit, log_likelihood
from imagevae.vae import VAE


def measure(model: VAE, images: Images, draws: int, seed: int) -> tuple[dict[str, float], NDArray[np.uint8]]:
    """Metrics of a model on held-out images, and their reconstructions.

    Args:
        images: of a data set.
        draws: latents drawn for each image to estimate its reconstruction term.
        seed: seed of these draws.

    Returns:
        The metrics, each rounded to five digits:
            elbo: mean lower bound on an image's log-likelihood, in nats, of the 8-bit image;
            bits_per_dimension: the same bound, negated, in bits a pixel and channel;
            reconstruction, kl: its two terms, elbo = -reconstruction - kl, in nats an image;
            psnr: mean over images, in dB, of the image decoded from z_mean, rounded to 8 bits;
            mse: mean squared error of the same, of levels divided by 255;
            active_units: latents whose z_mean varies over the images by more than 0.01 (Burda et al. 2016, section
                5.2);
            images: how many images these figures are means of.
        And the images decoded from z_mean, uint8 (n, size, size, 3).
    """
    reconstruction, kl, z_means, decoded, errors = [], [], [], [], []
    noise = keras.random.SeedGenerator(seed)
    starts = range(0, len(images), BATCH)
    for start in tqdm(starts, desc="evaluate", unit="batch", disable=None):
        batch = images[start : start + BATCH]
        z_mean, z_log_sigma = model.encode(batch)
        pixels = ops.cast(batch, "float32") / LEVELS
        terms = [
            log_likelihood(pixels, model.decode(model.draw(z_mean, z_log_sigma, noise)), model.variance)
            for _ in range(draws)
        ]
        reconstruction.append(-ops.convert_to_numpy(sum(terms) / draws))
        kl.append(ops.convert_to_numpy(ops.sum(kl_per_unit(z_mean, z_log_sigma), axis=1)))
        z_means.append(ops.convert_to_numpy(z_mean))
        decoded.append(to_levels(ops.convert_to_numpy(model.decode(z_mean))))
        difference = (decoded[-1].astype(np.float64) - batch) / LEVELS
        errors.append(np.mean(np.square(difference), axis=(1, 2, 3)))
    elbo = -np.concatenate(reconstruction) - np.concatenate(kl)
    squared = np.concatenate(errors)
    metrics = {
        "bits_per_dimension": -elbo.mean() / (math.log(2) * 3 * images.size**2),
        "elbo": elbo.mean(),
        "reconstruction": np.concatenate(reconstruction).mean(),
        "kl": np.concatenate(kl).mean(),
        "psnr": (-10 * np.log10(np.maximum(squared, 1e-10))).mean(),
        "mse": squared.mean(),
        "active_units": int((np.concatenate(z_means).var(axis=0) > 0.01).sum()),
        "images": len(images),
    }
    rounded = {name: value if isinstance(value, int) else float(f"{value:.5g}") for name, value in metrics.items()}
    return rounded, np.concatenate(decoded)
