"""Batches for training: each image once an epoch, ordered and varied as only the seed and the epoch decide."""

import jax
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from conftest import as_images
from imagevae.training.batches import Batches, Draws, Owned, fits

COUNT, SIDE = 23, 8
PICTURES = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 3), np.uint8)


def epoch_of(batches: Batches, epoch: int) -> NDArray[np.uint8]:
    """All images of an epoch, in the order of the pictures."""
    batches.start(epoch)
    pixels = np.concatenate([batches[number][0] for number in range(len(batches))])
    return pixels[np.argsort(batches.order)]


def test_batches_hold_each_image_once_an_epoch_in_an_order_of_seed_and_epoch():
    pictures = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1).repeat(3, axis=3)

    def orders(seed: int | None, epochs: int) -> list[list[int]]:
        batches, found = Batches(as_images(pictures), 4, seed), []
        for _ in range(epochs):
            found.append([int(image) for index in range(len(batches)) for image in batches[index][0][:, 0, 0, 0]])
            batches.on_epoch_end()
        batches.start(epochs - 1)
        assert found[-1] == [int(image) for index in range(len(batches)) for image in batches[index][0][:, 0, 0, 0]]
        return found

    assert orders(None, 2) == [list(range(10))] * 2
    for order in orders(0, 3):
        assert sorted(order) == list(range(10))
    first, second = orders(0, 2)
    assert first != second
    assert orders(0, 3)[:2] == [first, second]
    assert orders(1, 2) != [first, second]


@given(batch_size=st.integers(1, 30), seed=st.integers(0, 5), epoch=st.integers(0, 5))
def test_an_epoch_has_each_image_once_as_it_is(batch_size: int, seed: int, epoch: int):
    batches = Batches(as_images(PICTURES), batch_size, seed)
    assert (epoch_of(batches, epoch) == PICTURES).all()


@given(batch_size=st.integers(1, 30), flip=st.booleans(), shift=st.integers(0, 10), epoch=st.integers(0, 3))
def test_variations_do_not_depend_on_the_batches(batch_size: int, flip: bool, shift: int, epoch: int):
    one, other = (epoch_of(Batches(as_images(PICTURES), size, 7, flip, shift), epoch) for size in (batch_size, 5))
    assert (one == other).all()


def test_half_of_the_images_are_mirrored_and_not_the_same_ones_in_each_epoch():
    batches = Batches(as_images(PICTURES), 4, 0, flip=True)
    mirrored = np.array([(epoch_of(batches, epoch) == PICTURES[:, :, ::-1]).all(axis=(1, 2, 3)) for epoch in range(40)])
    as_they_are = np.array([(epoch_of(batches, epoch) == PICTURES).all(axis=(1, 2, 3)) for epoch in range(40)])
    assert (mirrored ^ as_they_are).all()
    assert 0.4 < mirrored.mean() < 0.6
    share = mirrored.mean(axis=0)
    assert share.min() > 0
    assert share.max() < 1


@given(shift=st.integers(1, 3), epoch=st.integers(0, 3))
def test_images_move_by_so_many_pixels_and_repeat_their_edge(shift: int, epoch: int):
    batches = Batches(as_images(PICTURES), 4, 0, shift=shift)
    wide = np.pad(PICTURES, ((0, 0), (shift, shift), (shift, shift), (0, 0)), "edge")
    ways = [(down, across) for down in range(2 * shift + 1) for across in range(2 * shift + 1)]
    found = epoch_of(batches, epoch)
    moved = [
        (found == wide[:, down : down + SIDE, across : across + SIDE]).all(axis=(1, 2, 3)) for down, across in ways
    ]
    assert np.any(moved, axis=0).all()
    assert np.any(moved, axis=1).sum() > 3


@given(batch_size=st.integers(5, 30), flip=st.booleans(), shift=st.integers(0, 10), seed=st.none() | st.integers(0, 3))
@settings(max_examples=15)
def test_images_on_a_device_make_the_same_batches(batch_size: int, flip: bool, shift: int, seed: int | None):
    here, there = (Batches(held, batch_size, seed, flip, shift) for held in (PICTURES, jax.device_put(PICTURES)))
    for index in range(len(here)):
        assert isinstance(there[index][0], jax.Array)
        assert (np.asarray(there[index][0]) == here[index][0]).all()


def test_rows_come_with_the_classes_of_their_own():
    rows, owners = np.random.default_rng(0).random((30, 2, 3), np.float32), np.arange(30) % 4 - 1
    owned = Owned(rows, owners)
    for batches in (Draws(owned, 8, 3, 0), Batches(owned, 8)):
        for batch in range(len(batches)):
            [(found, own, mirrored)] = batches[batch]
            where = [np.flatnonzero((rows == row).all(axis=(1, 2)))[0] for row in found]
            assert own.tolist() == owners[where].tolist()
            assert not mirrored.any()


@given(share=st.floats(0, 1), epoch=st.integers(0, 3), seed=st.integers(0, 3))
@settings(max_examples=20)
def test_a_share_of_the_draws_is_of_mirrored_images(share: float, epoch: int, seed: int):
    """The rows are 0 to 499, and those of mirrored images 500 to 999."""
    own = Owned(np.arange(1000)[:, None], np.arange(500) % 7)
    alone, both = Draws(own, 2000, 2, seed), Draws(own, 2000, 2, seed, share)
    for draws in (alone, both):
        draws.start(epoch)
    for batch in range(2):
        [(seen, of, mirrored)], [(same, *_)] = both[batch], alone[batch]
        assert np.array_equal(np.sort(seen % 500, axis=0), same)
        assert np.array_equal(seen[:, 0] >= 500, mirrored == 1)
        assert np.array_equal(of, seen[:, 0] % 500 % 7)
        assert abs(mirrored.mean() - share) < 0.06


def test_rows_on_a_device_are_drawn_as_others_are():
    rows, owners = np.random.default_rng(0).normal(size=(50, 2, 3)).astype(np.float32), np.zeros(50, np.int64)
    here, there = (Draws(Owned(held, owners), 8, 5, 0) for held in (rows, jax.device_put(rows)))
    for index in range(5):
        assert isinstance(there[index][0][0], jax.Array)
        assert (np.asarray(there[index][0][0]) == here[index][0][0]).all()


@given(size=st.integers(0, 10**12), limit=st.integers(0, 10**12), taken=st.integers(0, 10**12))
def test_a_device_holds_what_leaves_it_room(size: int, limit: int, taken: int):
    assert not fits(size, None)
    free = limit - taken
    assert fits(size, {"bytes_limit": limit, "bytes_in_use": taken}) == (4 * size <= free)
