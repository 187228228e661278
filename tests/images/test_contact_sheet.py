"""Sheets of images."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imagevae.images.contact_sheet import (
    NARROWEST,
    WIDEST,
    contact_sheet,
    evenly_spaced,
    labelled,
    rows_of,
    side_by_side,
)


def flat(level: int) -> np.ndarray:
    return np.full((8, 8, 3), level, np.uint8)


@given(count=st.integers(1, 30), columns=st.integers(1, 9))
def test_images_stand_in_reading_order(count: int, columns: int):
    sheet = contact_sheet([flat(level) for level in range(count)], columns, tile=8)
    assert sheet.shape == (-(-count // columns) * 8, columns * 8, 3)
    for level in range(count):
        row, column = divmod(level, columns)
        assert (sheet[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] == level).all()


@given(count=st.integers(1, 300), wanted=st.integers(1, 80))
def test_picks_are_spread_from_the_first_to_the_last(count: int, wanted: int):
    picks = evenly_spaced(count, wanted)
    assert len(picks) == len(set(picks)) == min(count, wanted)
    assert picks == sorted(picks)
    assert picks[0] == 0
    assert wanted == 1 or picks[-1] == count - 1


def test_two_sheets_stand_side_by_side():
    picture = side_by_side([flat(0)] * 4, [flat(255)] * 9)
    assert picture.shape == (24, 16 + 2 + 24, 3)
    assert (picture[:16, :16] == 0).all()
    assert (picture[:, 18:] == 255).all()


def test_rows_have_names_at_their_left():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
    picture = labelled(rows_of(pixels, 3), ["a", "b"])
    assert np.array_equal(picture[16:, -48:], np.concatenate(pixels[3:], axis=1))
    assert picture[:16, :-48].any()
    assert not np.array_equal(picture[:16, :-48], picture[16:, :-48])


@given(name=st.text(max_size=300))
def test_any_name_can_stand_at_a_row(name: str):
    picture = labelled(rows_of([flat(9)], 1), [name])
    assert picture.shape[0] == 8
    assert NARROWEST <= picture.shape[1] - 8 <= WIDEST
