"""Text in pictures: every letter is seen."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imagevae.images.lettering import drawable, line_of_text, text_width


def line(text: str) -> np.ndarray:
    return line_of_text(drawable(text), 10, (400, 16))


def test_names_are_read_in_the_letters_of_ascii():
    assert drawable("Kater 7, v.2") == "Kater 7, v.2"
    assert drawable("Größe, naïveté, Łódź") == "Grosse, naivete, Lodz"
    assert drawable("Москва, Αθήνα, 東京") == "Moskva, Athina, DongJing"
    assert drawable("e\u0301 q\u0302") == "e q[0302]"
    assert drawable("a\nb\u200bc") == "a b c"


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
