"""What is measured class by class, where images have labels."""

import sys
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from imagevae.dataset.copies import copying, nearest, thumbnails
from imagevae.dataset.labels import Labels, numbered
from imagevae.evaluation import intervals
from imagevae.evaluation.features import Network, features
from imagevae.evaluation.sections import Section, compare, memorised
from imagevae.evaluation.sets import Derived, Pool, Sets
from imagevae.images.contact_sheet import GREY, evenly_spaced, labelled
from imagevae.model.classes import ALL, NO_CLASS, class_folder

FEWEST = 10  # images of each kind that a class is measured by
MEASURED = 30  # classes, at most: those of the most images
ROWS, COLUMNS = 32, 6  # of a picture: classes at most, images of a kind of each

Vectors = list[NDArray[np.float64]]  # (n, d) each, one for each network


class Kinds(NamedTuple):
    """Of training images, held-out images and samples: the numbers of their classes, (n,) each, `NO_CLASS` where one
    has none, or what else there is of each."""

    training: NDArray
    held_out: NDArray
    samples: NDArray


def classes_of(classes: Sequence[str], labels: Labels, pool: Pool) -> Kinds:
    """The classes of real images by their labels, those of samples by the folders that stages/sample.py gave them."""
    training, held_out = (numbered(labels.of(images.names), classes) for images in (pool.training, pool.held_out))
    folders = [name.rpartition("/")[0] for name in pool.samples.names]
    return Kinds(training, held_out, numbered(folders, [class_folder(name) for name in classes]))


def report_missing(names: Sequence[str], asked: NDArray[np.int64]) -> None:
    """Say on stderr where samples were drawn of some classes alone, given the class of each, (n,)."""
    drawn = len(set(asked) - {NO_CLASS})
    if 0 < drawn < len(names):
        print(
            f"warning: samples are of {drawn} of {len(names)} classes; figures against all unseen images are of these "
            "alone",
            file=sys.stderr,
        )


def in_proportion(asked: NDArray[np.int64], training: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which samples to take so that each class has the share that it has of the training images, (m,): all, where they
    were drawn of any.

    Args:
        asked: class of each sample, (n,).
        training: class of each training image.
    """
    known = np.unique(asked[asked != NO_CLASS])
    if not len(known):
        return np.arange(len(asked))
    had, wanted = (np.array([(numbers == number).sum() for number in known]) for numbers in (asked, training))
    counts = np.maximum(1, np.floor(wanted * np.min(had / np.maximum(wanted, 1)))).astype(int)
    rows = [np.flatnonzero(asked == number)[:count] for number, count in zip(known, counts, strict=True)]
    return np.sort(np.concatenate(rows))


@threadpool_limits.wrap(1, "blas")  # threads would share small products, and wait for each other most of the time
def classes_section(
    names: Sequence[str], numbers: Kinds, networks: list[Network], sets: Sets, made: Derived
) -> Section:
    """Samples of each class against its unseen images, and how often a classifier takes them for what they were drawn
    of. Of samples that were drawn of any, how many it takes for each class.

    Args:
        names: of the classes.
        numbers: of the classes of the images in `sets`.
        networks: whose features images are compared by, and classified.
        made: of sets with these held-out images.
    """
    pictures = Kinds(sets.trained_on, sets.held_out, sets.samples)
    words = ("training images", "unseen images", "samples")
    vectors = [[features(network, of, word) for network in networks] for of, word in zip(pictures, words, strict=True)]
    found = Kinds(*(np.concatenate(each, axis=1) for each in vectors))
    known = numbers.training != NO_CLASS
    guessed = Kinds(*map(_classifier(found.training[known], numbers.training[known]).predict, found))
    held = np.bincount(numbers.held_out[numbers.held_out != NO_CLASS], minlength=len(names))
    measured = sorted(number for number in np.argsort(-held, kind="stable")[:MEASURED] if held[number] >= FEWEST)
    shown = [ALL, *(names[number] for number in measured)]
    section: Section = {"classes": len(names), "measured": len(measured)}
    section["class_accuracy"] = {name: _accuracy(names, name, numbers, guessed) for name in shown}
    if (numbers.samples == NO_CLASS).all():
        return section | {"class_share": {name: _shares(names, name, numbers, guessed) for name in shown[1:]}}
    near, distance = made.near["held_out"].distance, nearest(thumbnails(sets.samples), sets.training)[0]
    each: dict[str, Section] = {}
    for number in measured:
        members = Kinds(*(np.flatnonzero(of == number) for of in numbers))
        if min(map(len, members)) >= FEWEST:
            each[names[number]] = _distances(vectors, members) | _copies(distance, near, members)
    metrics = next(iter(each.values()), {})
    section |= {metric: {name: found[metric] for name, found in each.items()} for metric in metrics}
    if each:
        kinds = section["kid_classes"].values()
        mean = {of: intervals.mean_of([kid[of] for kid in kinds]) for of in ("samples", "training_images")}
        section["kid_classes"] = {ALL: mean, **section["kid_classes"]}
    return section


def _classifier(vectors: NDArray[np.float64], numbers: NDArray[np.int64]) -> Pipeline:
    """A logistic regression on standardised vectors (n, d), fitted to classes (n,)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # held-out images judge it all the same
        return make_pipeline(StandardScaler(), LogisticRegression()).fit(vectors, numbers)


def _accuracy(names: Sequence[str], name: str, numbers: Kinds, guessed: Kinds) -> Section:
    """How many of the images of a class, or of `ALL`, the classifier takes for what they are."""
    found = {}
    for kind in ("samples", "held_out"):
        are, taken = getattr(numbers, kind), getattr(guessed, kind)
        rows = are != NO_CLASS if name == ALL else are == names.index(name)
        if rows.any():
            found[kind] = intervals.share(taken[rows] == are[rows])
    return found


def _shares(names: Sequence[str], name: str, numbers: Kinds, guessed: Kinds) -> Section:
    """Share of images that the classifier takes for those of a class, and how many training images are of it."""
    number, known = names.index(name), numbers.training[numbers.training != NO_CLASS]
    taken = {kind: intervals.share(getattr(guessed, kind) == number) for kind in ("samples", "held_out")}
    return {**taken, "training_images": intervals.share(known == number)}


def _distances(vectors: list[Vectors], members: Kinds) -> Section:
    """Distance, fidelity and diversity of samples of a class, or of its training images, against as many held-out ones.

    Args:
        vectors: of training images, held-out images and samples.
        members: which of these are of the class.
    """
    n = min(map(len, members))
    training, held_out, samples = ([v[rows[:n]] for v in each] for each, rows in zip(vectors, members, strict=True))
    found = {"samples": compare(held_out, samples), "training_images": compare(held_out, training)}
    metrics = {"kid_classes": "kid", "precision": "precision", "coverage": "coverage"}
    return {name: {of: estimates[metric] for of, estimates in found.items()} for name, metric in metrics.items()}


def _copies(distance: NDArray, near: NDArray, members: Kinds) -> Section:
    """The tests for copies within a class.

    Args:
        distance, near: of samples and of held-out images to the nearest training image.
    """
    drawn, held = distance[members.samples], near[members.held_out]
    found = copying(drawn, held)
    return {
        "memorised": {"samples": memorised(drawn, held)},
        "c_t": {"samples": intervals.normal(found.value, found.error, len(drawn))},
    }


def class_sheets(names: Sequence[str], numbers: Kinds, sets: Sets) -> dict[str, NDArray[np.uint8]]:
    """A sheet `classes` with a row for each class that samples were drawn of: some training images, and some samples.
    None where they were drawn of any."""
    chosen = [number for number in range(len(names)) if (numbers.samples == number).any()]
    if not chosen:
        return {}
    chosen = [chosen[place] for place in evenly_spaced(len(chosen), ROWS)]
    size = sets.samples.shape[1]
    empty = np.full((size, size, 3), GREY[0], np.uint8)

    def some(images: NDArray[np.uint8], rows: NDArray[np.int64]) -> list[NDArray[np.uint8]]:
        found = list(images[rows[:COLUMNS]])
        return found + [empty] * (COLUMNS - len(found))

    rows = [
        [
            *some(sets.trained_on, np.flatnonzero(numbers.training == number)),
            empty,
            *some(sets.samples, np.flatnonzero(numbers.samples == number)),
        ]
        for number in chosen
    ]
    return {"classes": labelled(np.array(rows), [names[number] for number in chosen])}
