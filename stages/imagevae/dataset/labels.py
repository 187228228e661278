"""The class of each image: the folder that it lies in, or what a table says."""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput, printable
from imagevae.dataset.csv_file import check_once, read_csv
from imagevae.images.archives import ARCHIVES
from imagevae.model.classes import MOST_CLASSES, NO_CLASS, fault_of, few_of

FEWEST = 2  # training images of a class
NO_LABEL = ""


class Classes(NamedTuple):
    """The classes of images: their names, and the number of that of each training image, (n,), and of each held-out
    one, (m,), see `numbered`."""

    names: list[str]
    training: NDArray[np.int64]
    held_out: NDArray[np.int64]


NO_CLASSES = Classes([], np.zeros(0, np.int64), np.zeros(0, np.int64))


class Labels(NamedTuple):
    """Where the labels of images come from.

    Attributes:
        kind: one of `LABELS`.
        table: labels by the path of an image, see `read_labels`.
    """

    kind: str
    table: Mapping[str, str]

    def of(self, names: Iterable[str]) -> list[str]:
        """The label of each image, `NO_LABEL` where it has none.

        Args:
            names: of the images, their paths with forward slashes.
        """
        if self.kind == "folders":
            return [folder_label(name) for name in names]
        return [self.table.get(name, NO_LABEL) if self.kind == "table" else NO_LABEL for name in names]


def folder_label(name: str) -> str:
    """The first folder on the path of an image, `NO_LABEL` where it lies in none. Archives are no folders."""
    folders = name.split("/")[:-1]
    return next((folder for folder in folders if not folder.lower().endswith(ARCHIVES)), NO_LABEL)


def read_labels(kind: str, file: Path | None) -> Labels:
    """Where labels come from; of a table, its columns `path` and `label`, whatever other columns it has.

    Raises:
        BadInput: no such table, or it is empty where labels are to come from it.
        OSError: it can't be read.
    """
    rows = read_csv(file) if file else []
    if not file or not rows:
        if kind == "table":
            raise BadInput(f"{file or '--label_table'}: no labels in it, though they are to come from this table")
        return Labels(kind, {})
    head, *body = rows
    if head.count("path") != 1 or head.count("label") != 1:
        raise BadInput(f"{file}: it must be a CSV file with a column `path` and a column `label`")
    path, label = head.index("path"), head.index("label")
    check_once(file, [row[path] for row in body])
    return Labels(kind, {row[path]: row[label].strip() for row in body})


def numbered(labels: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """The number of each label among the classes, (n,), `NO_CLASS` for others."""
    numbers = {name: number for number, name in enumerate(classes)}
    return np.array([numbers.get(label, NO_CLASS) for label in labels], np.int64)


def find_classes(labels: Labels, training: Iterable[str], held_out: Iterable[str], source: object) -> Classes:
    """The classes of images, those of training images in the order of the alphabet. Reports on stderr how many images
    each has, and what has none.

    Args:
        training, held_out: names of images.
        source: what the images were read from, for errors.

    Raises:
        BadInput: all images are of one class, or of none, there are too many classes, or one can't be called so.
    """
    if labels.table and labels.kind != "table":
        print(f"warning: the table of labels is not used: --labels is {labels.kind}", file=sys.stderr)
    if labels.kind == "none":
        return NO_CLASSES
    names = [*training, *held_out]
    known, asked = labels.of(training), labels.of(held_out)
    counts = Counter(known)
    none = counts.pop(NO_LABEL, 0)
    classes = sorted(name for name, count in counts.items() if count >= FEWEST)
    few = sorted({*known, *asked} - {*classes, NO_LABEL})
    _check(labels, classes, none + len(few), source)
    shown = few_of([f"{name} ({counts[name]:,})" for name in classes])
    print(f"labels: {len(classes)} classes of training images: {shown}", file=sys.stderr)
    if few:
        print(
            f"warning: labels of less than {FEWEST} training images count as none: {printable(few_of(few))}",
            file=sys.stderr,
        )
    _report_missing(labels, names)
    return Classes(classes, numbered(known, classes), numbered(asked, classes))


def _check(labels: Labels, classes: Sequence[str], others: int, source: object) -> None:
    where = f"{source}: --labels {labels.kind}"
    if not classes:
        raise BadInput(
            f"{where}: no class has {FEWEST} training images; "
            + (
                "images must lie in a folder for each class"
                if labels.kind == "folders"
                else "the paths of the table must be those of the images inside their folder, with forward slashes"
            )
        )
    if len(classes) == 1 and not others:
        raise BadInput(f"{where}: all images are of one class, {classes[0]}; there must be two, or none: --labels none")
    if len(classes) > MOST_CLASSES:
        raise BadInput(f"{where}: {len(classes):,} classes; {MOST_CLASSES:,} are possible")
    for name in classes:
        if fault := fault_of(name):
            raise BadInput(f"{where}: the name of the class {name!r} {fault}; it must have another")


def _report_missing(labels: Labels, names: Sequence[str]) -> None:
    without = sum(label == NO_LABEL for label in labels.of(names))
    unknown = len(labels.table.keys() - set(names)) if labels.kind == "table" else 0
    said = [f"{without:,} of {len(names):,} images have no label"] * bool(without)
    said += [f"{unknown:,} of {len(labels.table):,} rows of the table are of no image"] * bool(unknown)
    if said:
        print(f"warning: {'; '.join(said)}", file=sys.stderr)
