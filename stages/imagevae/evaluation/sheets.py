"""What an evaluation shows: sheets of images beside each other, and a table to plot."""

import numpy as np
from numpy.typing import NDArray

from imagevae.evaluation import intervals
from imagevae.evaluation.sections import Derived, Sets
from imagevae.images.contact_sheet import evenly_spaced, side_by_side


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


def kl_table(kl: NDArray[np.float64]) -> str:
    """Tab-separated: each unit's mean KL divergence over images (n, units) with its interval, the largest first."""
    lines = ["rank\tunit\tlow\thigh\tkl"]
    for rank, unit in enumerate(np.argsort(-kl.mean(axis=0), kind="stable"), start=1):
        value, low, high, _ = intervals.mean(kl[:, unit])
        lines.append(f"{rank}\t{unit}\t{low:.5g}\t{high:.5g}\t{value:.5g}")
    return "\n".join([*lines, ""])
