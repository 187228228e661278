"""Pictures of what each latent does."""

from statistics import NormalDist

import numpy as np
from keras import ops
from numpy.typing import NDArray

from imagevae.images.contact_sheet import contact_sheet
from imagevae.model.coding import BATCH, decode_in_batches
from imagevae.model.vae import VAE

ACTIVE = 0.01


def active_latents(model: VAE) -> list[int]:
    """The latents that change the image, from the one that changes it most; see `activity`."""
    found = activity(model)
    order = np.argsort(-found, kind="stable")
    return order[found[order] > ACTIVE].tolist()


def activity(model: VAE) -> NDArray[np.float64]:
    """How strongly the decoder answers to each latent, judged without images.

    From z = 0 a latent goes one step to either side; half of the image's change is squared, summed over pixels and
    divided by the square of the decoder's scale, times the KL weight. That is the Fisher information of the pixels
    about the latent: in a linear VAE at its optimum, what an image adds to the precision of the latent's posterior
    (Lucas et al. 2019, section 4), next to nothing where the model does not use the latent. Above `ACTIVE`, z_mean
    varies over images by more than about as much, which is the measure of Burda et al. 2016 (section 5.2). A KL weight
    of 0 counts as 1.

    Returns:
        (latent_dim,).
    """
    steps = np.eye(model.latent_dim, dtype=np.float32)
    half = BATCH // 2
    found = []
    for start in range(0, model.latent_dim, half):
        z = np.zeros((BATCH, model.latent_dim), np.float32)
        ahead = steps[start : start + half]
        z[: len(ahead)], z[half : half + len(ahead)] = ahead, -ahead
        mean = ops.convert_to_numpy(model.decode(z)).astype(np.float64)
        found.append(np.sum(np.square((mean[:half] - mean[half:]) / 2), axis=(1, 2, 3))[: len(ahead)])
    return np.concatenate(found) / (float(model.scale) ** 2 * (model.settings["kl_weight"] or 1))


def traversal(model: VAE, latents: list[int], steps: int = 9) -> NDArray[np.uint8]:
    """A row for each latent: from left to right it goes from -3 to 3, while all others stay at 0.

    Returns:
        uint8 (len(latents) * size, steps * size, 3).
    """
    z = np.zeros((len(latents), steps, model.latent_dim), np.float32)
    for row, latent in enumerate(latents):
        z[row, :, latent] = np.linspace(-3, 3, steps)
    return contact_sheet(list(decode_in_batches(model, z.reshape(-1, model.latent_dim))), steps, model.size)


def plane(model: VAE, steps: int = 19) -> NDArray[np.uint8]:
    """The plane of a model with two latents: a grid of decoded z at the normal quantiles 0.05 to 0.95.

    Kingma & Welling 2014, figure 4. The first latent grows to the right, the second one upwards.

    Returns:
        uint8 (steps * size, steps * size, 3).
    """
    quantiles = [NormalDist().inv_cdf(share) for share in np.linspace(0.05, 0.95, steps)]
    z = np.array([(right, up) for up in reversed(quantiles) for right in quantiles], np.float32)
    return contact_sheet(list(decode_in_batches(model, z)), steps, model.size)
