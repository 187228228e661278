"""What an evaluation is of: a model, and the images that are chosen to judge it by."""

from pathlib import Path
from typing import NamedTuple

from imagevae.dataset.labels import Labels
from imagevae.evaluation.by_class import Kinds, classes_of, in_proportion, report_missing
from imagevae.evaluation.factors import Factors, read_factors
from imagevae.evaluation.sets import CODED, Derived, Pool, Sets, derive
from imagevae.model.vae import VAE


class Subject(NamedTuple):
    """A model, and the images that it is judged by.

    Attributes:
        pool: all images that there are.
        labels: where those of real images come from.
        chosen: the images that are compared; where samples are of classes, with the shares of the training images.
        of_each: the same, with samples whatever their class.
        factors: of the first `CODED` of the chosen training images, and as many held-out ones; None if unknown.
        sets, made: the chosen images, and what several sections need of them.
    """

    model: VAE
    pool: Pool
    labels: Labels
    chosen: Pool
    of_each: Pool
    factors: Factors | None
    sets: Sets
    made: Derived

    def classes_of(self, pool: Pool) -> Kinds:
        """The classes of some of these images."""
        return classes_of(self.model.classes, self.labels, pool)

    def counts(self) -> dict[str, int]:
        """How many images of each kind there are."""
        return dict(zip(("training", "held_out", "sampled"), map(len, self.pool), strict=True))

    def class_counts(self) -> dict[str, int]:
        """How many training images there are of each class."""
        numbers = self.classes_of(self.pool).training
        return {name: int((numbers == number).sum()) for number, name in enumerate(self.model.classes)}


def choose(model: VAE, pool: Pool, labels: Labels, factors: Path | None, compared: int, seed: int) -> Subject:
    """Choose at most `compared` images of each kind, and say on stderr where some classes have no samples.

    Args:
        factors: a CSV file, see `read_factors`.

    Raises:
        BadInput: it holds no factors, or not those of all images that need them.
        OSError: it can't be read.
    """
    classes = classes_of(model.classes, labels, pool)
    report_missing(model.classes, classes.samples)
    fair = pool.samples.subset(in_proportion(classes.samples, classes.training))
    chosen = Pool(*(images.some(compared, seed) for images in (pool.training, pool.held_out, fair)))
    of_each = chosen._replace(samples=pool.samples.some(compared, seed))
    coded = [name for images in (chosen.training, chosen.held_out) for name in images.names[:CODED]]
    known = read_factors(factors, coded) if factors else None
    sets = Sets(pool.training, *(images[:] for images in chosen))
    return Subject(model, pool, labels, chosen, of_each, known, sets, derive(model, sets))
