"""Results are named so that nothing is lost, and resized images are those of a plain computation."""

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imagevae.images.codec import decode, flatten
from imagevae.images.headers import JPEG, PNG
from imagevae.images.listing import EXTENSIONS
from imagevae.images.square import fit_square
from imagevae.images.storage import file_name

names = st.builds(
    lambda stem, endings: stem + "".join(endings),
    st.sampled_from(["a", "b.c", "png", "ü ñ", "x.jpg/a"]),
    st.lists(st.sampled_from([*sorted(EXTENSIONS), ".PNG", ".Jpg"]), min_size=1, max_size=3),
)
kinds = st.sampled_from([PNG, JPEG])


@given(names, names, kinds, kinds)
def test_two_images_never_share_a_result(one: str, other: str, kind: bytes, other_kind: bytes):
    assert (file_name(one, kind) == file_name(other, other_kind)) == ((one, kind) == (other, other_kind))


@given(names)
def test_results_are_named_for_their_content(name: str):
    assert file_name(name, PNG).lower().endswith(".png")
    assert file_name(name, JPEG).lower().endswith((".jpg", ".jpeg", ".jpe", ".jfif"))


def test_a_name_that_says_the_content_stays_and_others_stay_in_front():
    assert file_name("x/a.png", PNG) == "x/a.png"
    assert file_name("x/a.jpeg", JPEG) == "x/a.jpeg"
    assert file_name("x/a.jpg", PNG) == "x/a.jpg.png"
    assert file_name("x/a.gif", JPEG) == "x/a.gif.jpg"


@given(
    shape=st.tuples(st.integers(8, 300), st.integers(8, 300)),
    background=st.sampled_from([(0, 0, 0), (255, 255, 255), (3, 130, 250)]),
    kind=st.sampled_from([".png", ".jpg"]),
    seed=st.integers(0, 999),
)
def test_resized_images_are_within_rounding_of_a_full_decode_composite_and_area_resize_in_float(
    shape: tuple[int, int], background: tuple[int, int, int], kind: str, seed: int
):
    random = np.random.default_rng(seed)
    pixels = cv2.resize(random.integers(0, 256, (6, 6, 4), np.uint8), shape, interpolation=cv2.INTER_CUBIC)
    data = cv2.imencode(kind, pixels[:, :, :3] if kind == ".jpg" else pixels)[1].tobytes()
    exact = decode(data).astype(np.float64)
    if kind == ".png":
        alpha = exact[:, :, 3:] / 255
        exact = exact[:, :, :3] * alpha + np.asarray(background) * (1 - alpha)
    exact = area_average(area_average(exact, 8).swapaxes(0, 1), 8).swapaxes(0, 1)
    resized = fit_square(flatten(decode(data), background), 8, "stretch", background)
    assert np.abs(resized - exact).max() <= 1.01  # rounded once after compositing and once after resizing


def area_average(pixels: np.ndarray, count: int) -> np.ndarray:
    """Averages over `count` equal parts of the first axis, fractions of pixels counted as such."""
    sums = np.concatenate([np.zeros_like(pixels[:1]), np.cumsum(pixels, axis=0)])
    edges = np.linspace(0, len(pixels), count + 1)
    below = np.minimum(edges.astype(int), len(pixels) - 1)
    inside = sums[below] + (edges - below)[:, None, None] * pixels[below]
    return np.diff(inside, axis=0) / (len(pixels) / count)
