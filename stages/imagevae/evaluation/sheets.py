"""What an evaluation shows: sheets of images beside each other, a map of them, and a table to plot."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from imagevae.evaluation import intervals
from imagevae.evaluation.by_class import Kinds
from imagevae.evaluation.factors import Factors
from imagevae.evaluation.latent_map import Groups, Part, latent_map
from imagevae.evaluation.sections import CODED, Derived, Sets
from imagevae.images.contact_sheet import evenly_spaced, side_by_side
from imagevae.model.coding import encode
from imagevae.model.vae import VAE


def sheets(sets: Sets, made: Derived, shown: int) -> dict[str, NDArray[np.uint8]]:
    """Sheets of at most `shown` images to the left and as many to the right, by name.

    Returns:
        reconstructions: held-out images, and what the model makes of them.
        samples: training images, and samples.
        suspects: the samples that are nearest to a training image, and these training images.
    """
    held, real, drawn = (evenly_spaced(len(some), shown) for some in (sets.held_out, sets.trained_on, sets.samples))
    near = made.near["samples"]
    suspects = np.argsort(near.distance, kind="stable")[:shown]
    return {
        "reconstructions": side_by_side(sets.held_out[held], made.rebuilt[held]),
        "samples": side_by_side(sets.trained_on[real], sets.samples[drawn]),
        "suspects": side_by_side(sets.samples[suspects], sets.training[near.which[suspects]]),
    }


def mapped(
    model: VAE,
    sets: Sets,
    made: Derived,
    factors: Factors | None,
    kinds: Kinds,
    totals: Sequence[int],
    how: str,
    seed: int,
) -> NDArray[np.uint8]:
    """A map of at most `CODED` images of each kind, see `latent_map`: coloured by class where there are classes, or by
    a factor.

    Args:
        factors: of the first `CODED` training images, and as many held-out ones.
        kinds: classes of the images of each kind.
        totals: number of training images, held-out images and samples that there are.
    """
    posteriors = made.encoded["model"]
    samples = sets.samples[:CODED]
    latents = (posteriors.training.z_mean, posteriors.held_out.z_mean[:CODED], encode(model, samples).z_mean)
    pictures = (sets.trained_on[:CODED], sets.held_out[:CODED], samples)
    parts = [Part(*part) for part in zip(pictures, map(model.axes.encode, latents), totals, strict=True)]
    known = []
    if model.classes:
        names = np.array([*model.classes, ""], object)  # the last for -1
        known = [Groups("class", [names[numbers[:CODED]] for numbers in kinds])]
    elif factors:
        count = len(parts[0].codes)
        for name, column, spellings in zip(factors.names, factors.values.T, factors.spellings, strict=True):
            spelled = [spellings[value] for value in column]
            known.append(Groups(name, [spelled[:count], spelled[count:], [""] * len(samples)]))
    return latent_map(parts, known, how, seed)


def kl_table(kl: NDArray[np.float64]) -> str:
    """Tab-separated: each unit's mean KL divergence over images (n, units) with its interval, the largest first."""
    lines = ["rank\tunit\tlow\thigh\tkl"]
    for rank, unit in enumerate(np.argsort(-kl.mean(axis=0), kind="stable"), start=1):
        value, low, high, _ = intervals.mean(kl[:, unit])
        lines.append(f"{rank}\t{unit}\t{low:.5g}\t{high:.5g}\t{value:.5g}")
    return "\n".join([*lines, ""])
