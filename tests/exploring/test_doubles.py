"""Which images are near-duplicates of each other."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagevae.exploring.doubles import difference, doubles_sheet, groups
from imagevae.images.square import resample
from imagevae.robot import COLOURS, draw_robot


def robot(*values: int, size: int = 128) -> np.ndarray:
    colour, *parts = values
    return np.ascontiguousarray(draw_robot(COLOURS[colour], parts, size)[..., :3])


def square(pixels: np.ndarray) -> np.ndarray:
    return resample(pixels, 64, 64)


def moved(pixels: np.ndarray, down: int, right: int) -> np.ndarray:
    return cv2.warpAffine(pixels, np.float32([[1, 0, right], [0, 1, down]]), pixels.shape[1::-1])


def compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


ROBOTS = st.tuples(*[st.integers(0, 9)] * 6)


def test_the_same_picture_at_another_size_or_compression_or_shifted():
    noise = np.random.default_rng(0)
    found = []
    for values in noise.integers(0, 10, (40, 6)).tolist():
        whole = robot(*values)
        side, quality, down, right = noise.integers([64, 50, -3, -3], [257, 96, 4, 4]).tolist()
        assert difference(square(whole), square(whole)) == 0
        for other in (resample(whole, side, side), compressed(whole, quality), moved(whole, down, right)):
            found.append(difference(square(whole), square(other)))
    assert np.mean(np.array(found) <= 1) >= 0.95
    assert max(found) < 2


@given(ROBOTS, st.integers(0, 1), st.integers(1, 9))
def test_robots_of_another_colour_or_body_are_others(values: tuple[int, ...], place: int, step: int):
    changed = [*values]
    changed[place] = (changed[place] + step) % 10
    one, other = square(robot(*values)), square(robot(*changed))
    assert difference(one, other) > 1
    assert difference(other, one) > 1


@pytest.mark.parametrize("turns", range(4))
def test_a_difference_at_an_edge_counts(turns: int):
    one = square(robot(0, 1, 2, 3, 4, 5))
    other = one.copy()
    other[-3:, 20:30] = 255 - other[-3:, 20:30]
    one, other = (np.ascontiguousarray(np.rot90(each, turns)) for each in (one, other))
    assert difference(one, other) > 1


@pytest.mark.parametrize("size", [2, 3, 8, 16])
def test_small_squares_are_compared_too(size: int):
    one, other = np.zeros((2, size, size, 3), np.uint8)
    assert difference(one, other) == 0
    other[:] = 200
    assert difference(one, other) > 1


def test_groups_are_of_near_duplicates_alone_and_in_order():
    drawn = np.random.default_rng(0).integers(0, 10, (30, 6)).tolist()
    whole = [robot(*values) for values in drawn]
    squares = [square(pixels) for pixels in whole]
    squares += [square(compressed(whole[4], 80)), square(moved(whole[20], 1, -2)), square(resample(whole[4], 90, 90))]
    codes = np.stack([resample(pixels, 4, 4).ravel() for pixels in squares]).astype(np.float32)
    found = groups(codes, squares.__getitem__)
    assert found == [[4, 30, 32], [20, 31]]
    assert doubles_sheet(found, squares.__getitem__).shape == (2 * 64, 3 * 64, 3)
    order = np.random.default_rng(1).permutation(len(squares))
    shuffled = [squares[row] for row in order]
    again = groups(codes[order], shuffled.__getitem__)
    assert {frozenset(order[group].tolist()) for group in again} == {frozenset(group) for group in found}


def test_all_alike_are_one_group_and_one_image_is_none():
    squares = np.full((9, 16, 16, 3), 77, np.uint8)
    assert groups(np.zeros((9, 2), np.float32), squares.__getitem__)[0][:2] == [0, 1]
    assert groups(np.zeros((1, 2), np.float32), squares.__getitem__) == []
