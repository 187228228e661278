"""Batches of one size."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imagevae.model.padding import batches_of


@given(count=st.integers(0, 20), size=st.integers(1, 7))
def test_all_batches_are_of_one_size_and_hold_each_row_once_in_order(count: int, size: int):
    rows = np.random.default_rng(count).integers(1, 9, (count, 2, 3))
    batches = list(batches_of(iter(rows), size))
    assert len(batches) == -(-count // size)
    assert all(batch.shape == (size, 2, 3) and batch.dtype == rows.dtype for batch, _ in batches)
    assert [row.tolist() for batch, given in batches for row in batch[:given]] == rows.tolist()
    assert all((batch[given:] == 0).all() for batch, given in batches)
    assert all(given == size for _, given in batches[:-1])


def test_no_more_rows_are_taken_than_a_batch_holds():
    taken = []
    rows = (taken.append(number) or np.full(2, number) for number in range(100))
    next(batches_of(rows, 8))
    assert taken == list(range(8))
