"""What an evaluation shows: sheets of images beside each other, a map of them, and a table to plot."""

import numpy as np

from imagevae.evaluation import intervals
from imagevae.evaluation.latent_map import Groups, Part, latent_map
from imagevae.evaluation.sections import kl_of_units
from imagevae.evaluation.sets import CODED, Pictures
from imagevae.evaluation.subject import Subject
from imagevae.exploring.interpolation import interpolations
from imagevae.images.contact_sheet import evenly_spaced, side_by_side
from imagevae.model.coding import encode

ENDS = 8  # held-out images that ways are shown between


def all_sheets(subject: Subject, shown: int, layout: str, seed: int) -> dict[str, Pictures]:
    """All pictures of an evaluation that need no section, by name.

    Args:
        shown: images at most to the left of a sheet, and as many to the right.
        layout: of the map, see `latent_map`.

    Returns:
        reconstructions: held-out images, and what the model makes of them.
        samples: training images, and samples.
        suspects: the samples that are nearest to a training image, and these training images.
        interpolations: ways between held-out images.
        map: all kinds of images by their codes.
    """
    sets, made = subject.sets, subject.made
    held, real, drawn = (evenly_spaced(len(some), shown) for some in (sets.held_out, sets.trained_on, sets.samples))
    near = made.near["samples"]
    suspects = np.argsort(near.distance, kind="stable")[:shown]
    return {
        "reconstructions": side_by_side(sets.held_out[held], made.rebuilt[held]),
        "samples": side_by_side(sets.trained_on[real], sets.samples[drawn]),
        "suspects": side_by_side(sets.samples[suspects], sets.training[near.which[suspects]]),
        "interpolations": interpolations(subject.model, sets.held_out[:ENDS]),
        "map": mapped(subject, layout, seed),
    }


def mapped(subject: Subject, layout: str, seed: int) -> Pictures:
    """A map of at most `CODED` images of each kind, see `latent_map`: coloured by class where there are classes, or by
    a factor."""
    model, sets, factors, posteriors = subject.model, subject.sets, subject.factors, subject.made.encoded["model"]
    samples = sets.samples[:CODED]
    latents = (posteriors.training.z_mean, posteriors.held_out.z_mean[:CODED], encode(model, samples).z_mean)
    pictures = (sets.trained_on[:CODED], sets.held_out[:CODED], samples)
    totals = map(len, subject.pool)
    parts = [Part(*part) for part in zip(pictures, map(model.axes.encode, latents), totals, strict=True)]
    known = []
    if model.classes:
        names = np.array([*model.classes, ""], object)  # the last for -1
        known = [Groups("class", [names[numbers[:CODED]] for numbers in subject.classes_of(subject.chosen)])]
    elif factors:
        count = len(parts[0].codes)
        for name, column, spellings in zip(factors.names, factors.values.T, factors.spellings, strict=True):
            spelled = [spellings[value] for value in column]
            known.append(Groups(name, [spelled[:count], spelled[count:], [""] * len(samples)]))
    return latent_map(parts, known, layout, seed)


def kl_table(subject: Subject) -> str:
    """Tab-separated: each unit's mean KL divergence over held-out images with its interval, nats, the largest first."""
    kl = kl_of_units(subject.made.encoded["model"].held_out)
    lines = ["rank\tunit\tlow\thigh\tkl"]
    for rank, unit in enumerate(np.argsort(-kl.mean(axis=0), kind="stable"), start=1):
        value, low, high, _ = intervals.mean(kl[:, unit])
        lines.append(f"{rank}\t{unit}\t{low:.5g}\t{high:.5g}\t{value:.5g}")
    return "\n".join([*lines, ""])
