"""Names of results: nothing is lost, nothing overwritten."""

from hypothesis import given
from hypothesis import strategies as st

from imagevae.conversion import png_name
from imagevae.sources import EXTENSIONS

names = st.builds(
    lambda stem, endings: stem + "".join(endings),
    st.sampled_from(["a", "b.c", "png", "ü ñ", "x.jpg/a"]),
    st.lists(st.sampled_from([*sorted(EXTENSIONS), ".PNG", ".Jpg"]), min_size=1, max_size=3),
)


@given(names, names)
def test_two_images_never_share_a_result(one: str, other: str):
    assert (png_name(one) == png_name(other)) == (one == other)


@given(names)
def test_results_are_named_png(name: str):
    assert png_name(name).lower().endswith(".png")


def test_a_png_keeps_its_name_and_others_keep_theirs_in_front():
    assert png_name("x/a.png") == "x/a.png"
    assert png_name("x/a.jpg") == "x/a.jpg.png"
