"""The factors that images were made from, where they are known."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput
from imagevae.dataset.csv_file import check_once, read_csv


class Factors(NamedTuple):
    """Factors of images.

    Attributes:
        names: of the factors.
        values: (n, factors), numbered from 0 for each factor.
        spellings: of the values of each factor, by their number.
    """

    names: list[str]
    values: NDArray[np.int64]
    spellings: list[list[str]]


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
    rows = read_csv(file)
    if not rows:
        return None
    head, *body = rows
    if head[0] != "file" or len(head) < 2:
        raise BadInput(f"{file}: it must be a CSV file with a column `file` first and a column for each factor")
    if "" in head or len(set(head)) < len(head):
        raise BadInput(f"{file}: each column must have a name of its own")
    check_once(file, [row[0] for row in body])
    values = {row[0]: row[1:] for row in body}
    missing = [name for name in names if name not in values]
    if missing:
        raise BadInput(f"{file}: {missing[0]} is missing, and {len(missing)} of {len(names)} images in all")
    columns = list(zip(*(values[name] for name in names), strict=True))
    spellings = [sorted(set(column)) for column in columns]
    numbered = [_numbered(*pair) for pair in zip(columns, spellings, strict=True)]
    return Factors(head[1:], np.stack(numbered, axis=1), spellings)


def _numbered(column: Sequence[str], spellings: Sequence[str]) -> NDArray[np.int64]:
    numbers = {value: number for number, value in enumerate(spellings)}
    return np.array([numbers[value] for value in column], np.int64)
