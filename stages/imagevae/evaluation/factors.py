"""The factors that images were made from, where they are known."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput


class Factors(NamedTuple):
    """Factors of images.

    Attributes:
        names: of the factors.
        values: (n, factors), numbered from 0 for each factor.
    """

    names: list[str]
    values: NDArray[np.int64]


def read_factors(file: Path, names: Sequence[str]) -> Factors | None:
    """Factors of images from a CSV file: a column `file` with their names, then one for each factor.

    Args:
        names: of the images, in order.

    Returns:
        the values in the order of their spelling; None for an empty file.

    Raises:
        BadInput: not such a file, or an image is missing from it.
        OSError: it can't be read.
    """
    try:
        rows = list(csv.reader(file.read_text(encoding="utf-8").splitlines()))
    except UnicodeDecodeError:
        raise BadInput(f"{file}: not a CSV file in UTF-8") from None
    if not rows:
        return None
    head, *body = rows
    if head[0] != "file" or len(head) < 2 or any(len(row) != len(head) for row in body):
        raise BadInput(f"{file}: it must be a CSV file with a column `file` first and a column for each factor")
    values = {row[0]: row[1:] for row in body}
    missing = [name for name in names if name not in values]
    if missing:
        raise BadInput(f"{file}: {missing[0]} is missing, and {len(missing)} of {len(names)} images in all")
    table = np.array([values[name] for name in names])
    return Factors(head[1:], np.stack([np.unique(column, return_inverse=True)[1] for column in table.T], axis=1))
