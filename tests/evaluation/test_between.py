"""What is measured between images, of ways whose measure is known."""

import numpy as np
import pytest

from conftest import as_images
from imagevae.evaluation.between import between_section, faded, path_length
from imagevae.evaluation.features import Network, random_network
from imagevae.evaluation.sets import Sets, derive
from imagevae.model.vae import VAE

PIXELS = Network(8, 16, lambda levels: levels.reshape(len(levels), -1))
noise = np.random.default_rng(0)
ENDS = noise.integers(0, 256, (2, 30, 8, 8, 3)).astype(np.uint8)


def test_an_even_way_has_a_length_of_one_and_a_jump_as_many_as_steps():
    even = faded(*ENDS, 10)
    assert path_length([PIXELS], even, seed=0).value == pytest.approx(1, abs=0.01)
    jump = even.copy()
    jump[:, :5], jump[:, 5:] = even[:, :1], even[:, -1:]
    assert path_length([PIXELS, PIXELS], jump, seed=0).value == pytest.approx(10, abs=0.01)
    uneven = even[:, [0, 0, 0, 0, 2, 4, 6, 8, 10, 10, 10]]
    assert 1.5 < path_length([PIXELS], uneven, seed=0).value < 2.5


def test_ways_that_lead_nowhere_have_no_length():
    still = faded(ENDS[0], ENDS[0], 4)
    assert path_length([PIXELS], still, seed=0).value == 0


def test_a_cross_fade_is_the_mean_in_its_middle():
    made = faded(*ENDS, 2)
    assert np.array_equal(made[:, 0], ENDS[0])
    assert np.array_equal(made[:, 2], ENDS[1])
    assert np.abs(made[:, 1] - (ENDS[0].astype(float) + ENDS[1]) / 2).max() <= 0.5


def test_midpoints_are_compared_with_as_many_images_by_each_judge():
    model = VAE(size=8, network="vector", latent_dim=2, width=4)
    pictures = noise.integers(0, 256, (90, 8, 8, 3)).astype(np.uint8)
    sets = Sets(as_images(pictures[:30]), *(pictures[start : start + 25] for start in (0, 30, 60)))
    judges = {"random": [random_network(8, 0)], "pixels": [PIXELS]}
    found = between_section(model, judges, sets, derive(model, sets), 0)
    names = {f"{metric}_{judge}" for metric in ("fd", "kid") for judge in judges}
    assert set(found) == {*names, "path_length"}
    for name in names:
        assert set(found[name]) == {"midpoints", "samples", "cross_fade"}
        assert all(estimate.n == 25 for estimate in found[name].values())
        assert found[name]["midpoints"].value > found[name]["samples"].value, "an untrained model makes no such images"
