"""The map: every kind of image is seen where it lies, whatever there is of it."""

from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagevae.cli.errors import BadInput
from imagevae.evaluation.latent_map import (
    KINDS,
    MOST,
    PALETTE,
    SIDE,
    Groups,
    Part,
    check_layout,
    chosen_for_cells,
    colouring,
    kinship,
    latent_map,
    positions,
    spread,
    width,
    wrapped,
)

noise = np.random.default_rng(0)


def part(count: int, numbers: int = 3, size: int = 8) -> Part:
    pictures = noise.integers(0, 256, (count, size, size, 3), np.uint8)
    return Part(pictures, noise.standard_normal((count, numbers)).astype(np.float32), 2 * count)


WITH_UMAP = pytest.param("umap", marks=pytest.mark.skipif(not find_spec("umap"), reason="UMAP is not installed"))


@pytest.mark.parametrize("how", ["pca", "tsne", WITH_UMAP])
@pytest.mark.parametrize("counts", [(2, 2, 2), (60, 9, 20)])
def test_the_same_images_give_the_same_map(how: str, counts: tuple[int, ...]):
    parts = [part(count) for count in counts]
    known = [Groups("shape", [["rund"] * count for count in counts])]
    made = latent_map(parts, known, how, 0)
    assert made.dtype == np.uint8
    assert made.shape[1:] == (SIDE, 3)
    assert made.shape[0] > SIDE
    assert np.array_equal(made, latent_map(parts, known, how, 0))


@pytest.mark.skipif(find_spec("umap"), reason="UMAP is installed")
def test_a_layout_that_is_not_installed_is_refused():
    check_layout("tsne")
    with pytest.raises(BadInput, match=r"--map umap .*pip install -r requirements-umap\.txt"):
        check_layout("umap")


@pytest.mark.parametrize("numbers", [1, 2])
def test_images_that_are_all_alike_have_a_map_too(numbers: int):
    alike = [
        one._replace(codes=np.zeros_like(one.codes)) for one in (part(9, numbers), part(2, numbers), part(3, numbers))
    ]
    assert latent_map(alike, [], "pca", 0).shape[1] == SIDE


@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-100, 100))
def test_places_do_not_depend_on_units_and_outliers_stay_on_the_map(scale: float, shift: float):
    points = np.random.default_rng(1).standard_normal((500, 2))
    points[0] = 1000
    found = spread(points)
    assert found.min() == 0
    assert found.max() == 1
    assert found[0].tolist() == [1, 0]  # at the right, and at the top
    assert spread(scale * points + shift) == pytest.approx(found, abs=1e-6)


def test_the_plane_is_the_first_two_numbers():
    codes = noise.standard_normal((10, 5)).astype(np.float32)
    assert np.array_equal(positions(codes, "pca", 0), codes[:, :2].astype(float))


@given(counts=st.tuples(*[st.integers(1, 300)] * 3), columns=st.integers(4, MOST), seed=st.integers(0, 99))
def test_each_cell_with_images_shows_one_of_them(counts: tuple[int, ...], columns: int, seed: int):
    places = [np.random.default_rng([seed, count]).random((count, 2)) for count in counts]
    shown = chosen_for_cells(places, columns)
    assert len(set(shown.values())) == len(shown)
    there: dict[tuple[int, int], set[int]] = {}
    for kind, points in enumerate(places):
        for x, y in points:
            there.setdefault((int(y * columns), int(x * columns)), set()).add(kind)
    assert set(shown) == set(there)
    for (row, column), (kind, index) in shown.items():
        x, y = places[kind][index]
        assert (int(y * columns), int(x * columns)) == (row, column)
        turn = (row + column) % len(places)
        assert turn not in there[row, column] or kind == turn


def test_dots_are_coloured_by_what_neighbours_have_in_common():
    places = [noise.random((200, 2)) for _ in KINDS]
    side = Groups("side", [np.where(points[:, 0] < 0.5, "left", "right") for points in places])
    coin = Groups("coin", [noise.choice(["heads", "tails"], len(points)) for points in places])
    assert kinship(places, side) > 0.8
    assert abs(kinship(places, coin)) < 0.15
    unknown = Groups("coin", [[""] * len(points) for points in places])
    assert kinship(places, unknown) == 0


def test_a_legend_names_each_colour_and_what_is_beyond_the_palette():
    places = [np.zeros((40, 2)), np.zeros((1, 2)), np.zeros((2, 2))]
    names = [str(number % 13) for number in range(39)] + ["12"]
    colours, legend = colouring(Groups("number", [names, ["3"], ["", "99"]]), places)
    assert [len(some) for some in colours] == [40, 1, 2]
    assert len({colour for some in colours for colour in some}) == len(PALETTE) + 1
    assert [text for text, _ in legend] == [
        "Dots, by number:",
        "0",
        "1",
        "10",
        "11",
        "12",
        "2",
        "3",
        "4",
        "5",
        "6",
        "others",
    ]
    assert colours[1][0] == dict(legend)["3"]
    first, second, third = KINDS.values()
    assert colouring(None, places) == ([[first] * 40, [second], [third] * 2], [])


@given(st.lists(st.text(min_size=1), max_size=30))
def test_any_names_make_a_legend(names: list[str]):
    """Letters of any kind, ends of lines among them, and names of any length."""
    places = [np.zeros((len(names), 2))]
    _, legend = colouring(Groups("name", [names]), places)
    lines = wrapped(legend)
    assert [entry for line in lines for entry in line] == legend
    assert all(sum(map(width, line)) <= SIDE for line in lines)


def test_groups_called_after_colours_have_these():
    places = [np.zeros((2, 2)), np.zeros((0, 2)), np.zeros((1, 2))]
    _, legend = colouring(Groups("colour", [["red", "navy"], [], ["white"]]), places)
    assert dict(legend[1:]) == {"red": (205, 0, 0), "navy": (0, 0, 128), "white": (205, 205, 205)}
