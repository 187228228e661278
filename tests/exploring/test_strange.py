"""How odd an image is."""

from pathlib import Path

import numpy as np
import pytest

from imagevae.dataset.held_out import is_held_out
from imagevae.dataset.squares import read_squares
from imagevae.exploring.strange import Measured, Reference, difference_map, measure, surprise
from imagevae.model.archive import load_model
from imagevae.model.coding import encode
from imagevae.model.vae import VAE


def measured(parts: np.ndarray, held_out: np.ndarray | None = None) -> Measured:
    """Images of such parts, and with them as codes."""
    return Measured(parts, parts.astype(np.float32), np.zeros(len(parts), bool) if held_out is None else held_out)


NOISE = np.random.default_rng(0)
USUAL = measured(NOISE.normal(size=(500, 3)), NOISE.random(500) < 0.4)


def test_shares_are_those_of_held_out_images_that_score_higher():
    reference = Reference.of(USUAL)
    odd = reference.score(USUAL, own=True)
    held_out = odd.score[USUAL.held_out]
    expected = (held_out[None] > odd.score[:, None]).mean(axis=1)
    assert odd.share == pytest.approx(expected)
    assert odd.parts[USUAL.held_out] == pytest.approx((USUAL.parts[USUAL.held_out] - reference.middle) / reference.unit)
    assert np.median(odd.parts[USUAL.held_out], axis=0) == pytest.approx([0, 0, 0])
    assert np.quantile(odd.parts[USUAL.held_out], 0.9, axis=0) == pytest.approx([1, 1, 1])


def test_a_higher_part_is_odder_whichever_it_is():
    reference = Reference.of(USUAL)
    low, one, other, both = reference.score(measured(np.float64([[0, 0, 0], [5, 0, 0], [0, 9, 0], [5, 9, 0]]))).score
    assert low < min(one, other)
    assert both > max(one, other)
    assert max(one, other) > max(reference.scores)


def test_the_nearest_training_image_is_another_one():
    odd = Reference.of(USUAL).score(USUAL, own=True)
    codes = USUAL.codes.astype(np.float64)
    distances = np.linalg.norm(codes[:, None] - codes[None], axis=2)
    distances[:, USUAL.held_out] = np.inf
    np.fill_diagonal(distances, np.inf)
    assert np.array_equal(odd.nearest, distances.argmin(axis=1))
    assert odd.distance == pytest.approx(distances.min(axis=1), abs=1e-3)
    others = Reference.of(USUAL).score(USUAL)
    assert np.array_equal(others.nearest[~USUAL.held_out], np.nonzero(~USUAL.held_out)[0])


def test_without_held_out_images_or_others_there_is_a_scale_still():
    found = measured(USUAL.parts)
    reference = Reference.of(found)
    assert not reference.has_held_out
    assert Reference.of(USUAL).has_held_out
    assert sorted(reference.score(found, own=True).share) == pytest.approx(np.arange(500) / 500)
    alone = measured(USUAL.parts[:1])
    odd = Reference.of(alone).score(alone, own=True)
    assert (odd.nearest.tolist(), odd.distance.tolist(), odd.share.tolist()) == ([-1], [np.inf], [0])
    alike = measured(np.ones((5, 3)))
    assert np.isfinite(Reference.of(alike).score(alike, own=True).score).all()


@pytest.fixture(scope="module")
def model(model_file: Path) -> VAE:
    return load_model(model_file)


def test_odd_images_are_above_all_usual_ones_and_flat_ones_are_not_the_most_usual(model: VAE, squares: Path):
    images = read_squares(squares)[:]
    reference = Reference.of(measure(model, images))
    usual = reference.score(measure(model, images), own=True).score
    stripes = np.zeros((1, 16, 16, 3), np.uint8)
    stripes[:, ::2] = 255
    assert reference.score(measure(model, stripes)).score > usual.max()
    flat = np.stack([np.full((16, 16, 3), level, np.uint8) for level in (0, 128, 255)])
    assert (reference.score(measure(model, flat)).score > np.median(usual)).all()


def test_an_image_scores_the_same_alone_and_among_others(model: VAE, squares: Path):
    images = read_squares(squares)[:]
    together = measure(model, images)
    for row in (0, 17, 39):
        alone = measure(model, images[row : row + 1])
        assert all(np.array_equal(one[0], many[row]) for one, many in zip(alone, together, strict=True))
    assert together.held_out.tolist() == [is_held_out(image, model.held_out) for image in images]


@pytest.mark.parametrize("settings", [dict(), dict(densities={"flow": 1.0}, sampler="flow")])
@pytest.mark.parametrize("network", [dict(network="spatial", latent_dim=64), dict(network="mlp", latent_dim=3)])
def test_any_network_with_a_flow_or_without_can_be_surprised(settings: dict, network: dict):
    model = VAE(size=16, width=4, **network, **settings)
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    found = surprise(model, encode(model, images).z_mean)
    assert found.shape == (3,)
    assert (np.isfinite(found) & (found > 0)).all()


def test_a_difference_counts_less_where_the_image_is_busy():
    busy = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8) // 2
    flat = np.full_like(busy, 100)
    assert difference_map(flat, flat).max() == 0
    assert difference_map(flat, flat + 20).min() > 5 * difference_map(busy, busy + 20).max()
