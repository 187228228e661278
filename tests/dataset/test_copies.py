"""A model that copies training images is caught; one that draws new images is not."""

import tracemalloc

import numpy as np
import pytest

from conftest import as_images
from imagevae.dataset.copies import CT, cells, copying, nearest, thumbnails
from imagevae.evaluation.intervals import Estimate
from imagevae.evaluation.sections import memorised


def pictures(seed: int, count: int) -> np.ndarray:
    """Smooth images of 8 x 8 pixels with six factors that vary continuously, so that new ones are near old ones."""
    noise = np.random.default_rng(seed)
    basis = np.random.default_rng(99).normal(size=(6, 8 * 8 * 3))
    return np.clip(128 + 20 * noise.normal(size=(count, 6)) @ basis, 0, 255).astype(np.uint8).reshape(-1, 8, 8, 3)


TRAINING, HELD_OUT = pictures(0, 600), pictures(1, 200)


def judged(samples: np.ndarray) -> tuple[Estimate, CT, np.ndarray]:
    held, _ = nearest(thumbnails(HELD_OUT), as_images(TRAINING))
    drawn, which = nearest(thumbnails(samples), as_images(TRAINING))
    where = cells(thumbnails(TRAINING), thumbnails(HELD_OUT), thumbnails(samples), 0)
    return memorised(drawn, held), copying(drawn, held, where), which


def test_new_images_are_not_suspected():
    for seed in range(2, 6):
        share, c_t, _ = judged(pictures(seed, 200))
        assert share.low <= 0.05 <= share.high
        assert abs(c_t.value) < 3


def test_copies_are_caught_and_traced():
    noise = np.random.default_rng(0)
    copied = noise.integers(0, len(TRAINING), 200)
    near = np.clip(TRAINING[copied] + noise.normal(0, 4, (200, 8, 8, 3)), 0, 255).astype(np.uint8)
    share, c_t, which = judged(near)
    assert share.low > 0.5
    assert c_t.value + 2 * c_t.error < -3
    assert (which == copied).mean() > 0.99


def test_a_model_that_copies_only_now_and_then_is_caught():
    some = pictures(2, 200)
    some[:40] = TRAINING[:40]
    share, _, _ = judged(some)
    assert share.value == pytest.approx(0.2 + 0.8 * 0.05, abs=0.05)
    assert share.low > 0.05


@pytest.mark.parametrize("block", [7, 1024])
def test_the_nearest_is_that_of_all_pairs_whatever_the_block(block: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("imagevae.dataset.copies.BLOCK", block)
    distance, which = nearest(thumbnails(HELD_OUT), as_images(TRAINING))
    pairs = np.linalg.norm(thumbnails(HELD_OUT)[:, None] - thumbnails(TRAINING)[None], axis=2)
    assert distance == pytest.approx(pairs.min(axis=1), abs=1e-4)
    assert (which == pairs.argmin(axis=1)).all()


def test_the_nearest_are_found_in_memory_that_does_not_grow_with_the_training_images():
    """All thumbnails together would take 15 MB here."""
    training = as_images(np.random.default_rng(0).integers(0, 256, (20_000, 8, 8, 3), np.uint8))
    queries = thumbnails(HELD_OUT)
    nearest(queries, training)
    tracemalloc.start()
    nearest(queries, training)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6
