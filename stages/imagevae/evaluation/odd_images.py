"""What is odd among the images that a model was trained on, and what is there twice."""

import numpy as np
from numpy.typing import NDArray

from imagevae.evaluation import intervals
from imagevae.evaluation.sections import RARE, Section
from imagevae.evaluation.sets import Sets
from imagevae.exploring.doubles import doubles_sheet, groups
from imagevae.exploring.findings import strange_sheet
from imagevae.exploring.strange import Reference, measure
from imagevae.model.vae import VAE

SEARCHED = 2000  # training images, and half as many held-out ones, at most
SHOWN = 12  # of the oddest images, and of groups


def folder_section(model: VAE, sets: Sets) -> tuple[Section, dict[str, NDArray[np.uint8]]]:
    """Odd images and near-duplicates, see `Reference` and `groups`, among the first images of both kinds; and pictures
    of them, `strange` and, where there are any, `doubles`."""
    squares = np.concatenate([sets.trained_on[:SEARCHED], sets.held_out[: SEARCHED // 2]])
    found = measure(model, squares)
    reference = Reference.of(found)
    odd = reference.score(found, own=True)
    twins = groups(found.codes, squares.__getitem__)
    first = np.argsort(-odd.score, kind="stable")[:SHOWN]
    pictures = {"strange": strange_sheet(model, reference, squares[first], odd.score[first])}
    if twins:
        pictures["doubles"] = doubles_sheet(twins, squares.__getitem__, SHOWN)
    of_training = ~found.held_out
    twice = np.isin(np.arange(len(squares)), [image for group in twins for image in group])
    section: Section = {
        "odd": {"training": intervals.share(odd.share[of_training] < RARE, against=int(found.held_out.sum()))},
        "doubles": intervals.share(twice),
        "groups": len(twins),
        "searched": len(squares),
    }
    return section, pictures
