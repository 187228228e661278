"""Text in pictures: every letter is seen."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imagevae.images.lettering import drawable, line_of_text, text_width


def line(text: str) -> np.ndarray:
    return line_of_text(drawable(text), 10, (400, 16))


def test_letters_of_many_scripts_are_drawn_and_others_are_named():
    known = "Größe, naïveté, Łódź, \u0391\u03b8\u03ae\u03bd\u03b1, \u041c\u043e\u0441\u043a\u0432\u0430"
    assert drawable(known) == known
    assert drawable("e\u0301") == "é"
    assert drawable("猫, 🦊") == "[732B], [1F98A]"
    assert drawable("a\nb\u200bc") == "a b c"
    assert not np.array_equal(line("猫"), line("犬"))


@given(letter=st.characters())
def test_no_letter_is_invisible(letter: str):
    text = drawable(letter)
    assert text == " " or line(text).any()


@given(text=st.text(max_size=40), height=st.integers(6, 30))
def test_text_fits_the_width_that_it_is_said_to_take(text: str, height: int):
    text = drawable(text)
    width = 4 + text_width(text, height)
    wide = line_of_text(text, height, (width + 100, 40))
    assert not wide[:, width + height :].any()
