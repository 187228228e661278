"""Batches of one size, for results that do not depend on how many rows there are."""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray


def batches_of(rows: Iterable[NDArray], size: int) -> Iterator[tuple[NDArray, int]]:
    """Rows of one shape in batches of one size, (size, ...), the last one filled up with zeros.

    Results may differ in the last bits between batches of unlike size, and between networks that have seen other sizes
    before. With one size always, the result of a row does not depend on the rows beside it.

    Returns:
        the batches, each with the number of its rows that were given.
    """
    stream = iter(rows)
    while part := list(islice(stream, size)):
        batch = np.zeros((size, *part[0].shape), part[0].dtype)
        batch[: len(part)] = part
        yield batch, len(part)
