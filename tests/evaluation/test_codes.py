"""What a code is worth, of codes made so that the answer is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import as_images
from imagevae.evaluation.codes import (
    NEIGHBOURS,
    SHOWN,
    Numbers,
    agreement,
    axes_section,
    code_sections,
    kept_variance,
    likeness,
    neighbours,
    principal,
    probe_accuracy,
)
from imagevae.evaluation.factors import Factors
from imagevae.evaluation.sets import Posteriors, Sets
from imagevae.model.axes import Axes
from imagevae.model.coding import Posterior

TRAINING, HELD_OUT = 300, 100
noise = np.random.default_rng(0)
FACTORS = Factors(["colour", "shape"], noise.integers(0, [3, 4], (TRAINING + HELD_OUT, 2)), [["a"] * 3, ["b"] * 4])
NOTHING = noise.standard_normal((TRAINING + HELD_OUT, 5))  # what numbers are that know of no factor


def both(rows: np.ndarray) -> Numbers:
    return Numbers(rows[:TRAINING], rows[TRAINING:])


VALUES = both(FACTORS.values)
ONE_HOT = np.concatenate([np.eye(4)[values] for values in FACTORS.values.T], axis=1)


def test_probes_tell_what_numbers_know_and_guess_where_they_know_nothing():
    mixed = ONE_HOT @ noise.standard_normal((8, 8))
    assert probe_accuracy(both(mixed), VALUES).value == 1
    guessed = probe_accuracy(both(NOTHING), VALUES)
    assert guessed.low < (1 / 3 + 1 / 4) / 2 < guessed.high
    assert guessed.n == HELD_OUT


def test_a_factor_of_one_value_among_the_training_images_is_guessed_to_have_it():
    values = Numbers(np.zeros((TRAINING, 1), int), np.arange(HELD_OUT)[:, None] % 2)
    assert probe_accuracy(both(NOTHING), values).value == 0.5


@given(share=st.floats(0.01, 0.99), seed=st.integers(0, 99))
def test_directions_keep_their_share_of_the_variance(share: float, seed: int):
    z = np.random.default_rng(seed).standard_normal((1000, 2)) * np.sqrt([share, 1 - share])
    found = kept_variance(z, np.eye(1, 2), seed)
    assert found.value == pytest.approx(share, abs=0.08)
    assert found.low < found.value < found.high
    assert kept_variance(z, np.eye(2), seed)[:3] == pytest.approx((1, 1, 1))


def test_images_that_are_all_alike_have_no_variance_to_keep():
    assert kept_variance(np.zeros((10, 2)), np.eye(1, 2), 0)[:3] == (0, 0, 0)


@given(turn=st.floats(0, 6), scale=st.floats(0.01, 100))
def test_neighbours_are_the_same_however_numbers_are_turned_and_scaled(turn: float, scale: float):
    plane = NOTHING[:, :2]
    turned = scale * plane @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    assert agreement(neighbours(both(turned)), neighbours(both(plane))).value == pytest.approx(1, abs=0.01)


def test_neighbours_by_chance_agree_as_often_as_chance_has_it():
    found = agreement(neighbours(both(NOTHING)), neighbours(both(ONE_HOT)))
    assert found.low - 0.01 < NEIGHBOURS / TRAINING < found.high + 0.01
    alike = likeness(neighbours(both(NOTHING)), VALUES)
    assert alike.low < (1 / 3 + 1 / 4) / 2 < alike.high


def test_neighbours_by_their_factors_share_them():
    assert likeness(neighbours(both(ONE_HOT)), VALUES).value == 1
    assert neighbours(Numbers(ONE_HOT[:4], ONE_HOT[4:])).shape == (len(ONE_HOT) - 4, 4)


def test_components_are_those_of_the_training_images():
    along = both(NOTHING[:, :1])
    line = Numbers(*(part * [[3.0, 4.0]] for part in along))
    found = principal(line, 64, 0)
    assert [part.shape for part in found] == [(TRAINING, 2), (HELD_OUT, 2)]
    assert np.abs(found.held_out[:, :1]) == pytest.approx(5 * np.abs(along.held_out - along.training.mean()), abs=1e-6)
    other = principal(line._replace(held_out=NOTHING[:9, :2]), 64, 0)
    assert np.array_equal(other.training, found.training)


def test_each_axis_knows_its_factor():
    code = FACTORS.values[:, [0, 1, 0]] + 0.01 * NOTHING[:, :3]
    table = axes_section(code, FACTORS, 0)["mutual_information"]
    assert list(table) == ["code_0", "code_1", "code_2", "shuffled"]
    for axis, own, other in (("code_0", "colour", "shape"), ("code_1", "shape", "colour")):
        assert table[axis][own].value > 0.95
        assert table[axis][other].value < 0.15
    assert max(estimate.value for estimate in table["shuffled"].values()) < 0.15


def test_an_axis_that_knows_most_of_a_factor_is_shown_however_late_it_comes():
    code = np.concatenate([np.tile(NOTHING, 4), FACTORS.values[:, :1]], axis=1)
    shown = list(axes_section(code, FACTORS, 0)["mutual_information"])
    assert shown[:SHOWN] == [f"code_{axis}" for axis in range(SHOWN)]
    assert shown[-2:] == ["code_20", "shuffled"]


def encoded(z: np.ndarray) -> Posteriors:
    return Posteriors(*(Posterior(part.astype(np.float32), np.zeros_like(part)) for part in both(z)))


def test_a_code_of_factors_is_told_from_numbers_that_know_nothing_of_them():
    """Its latents are the factors, and directions that say nothing; pixels are noise."""
    axes = Axes(16, 8)
    axes.directions.assign(np.eye(8, 16))
    latents = np.concatenate([ONE_HOT - ONE_HOT.mean(axis=0), 0.01 * np.tile(NOTHING, 2)[:, :8]], axis=1)
    pixels = both(noise.integers(0, 256, (TRAINING + HELD_OUT, 4, 4, 3), np.uint8))
    sets = Sets(as_images(pixels.training), pixels.training, pixels.held_out, pixels.held_out)
    posteriors = {"model": encoded(latents), "random_encoder": encoded(np.tile(NOTHING, 4)[:, :16])}
    code = code_sections(axes, posteriors, sets, None, 0)
    assert set(code) == {"code"}
    found = code_sections(axes, posteriors, sets, FACTORS, 0)
    section = found["code"]
    assert {name: section[name] for name in code["code"]} == code["code"]
    assert section["code_variance"]["code"].value > 0.99 > 0.6 > section["code_variance"]["random_axes"].value
    for metric in ("probe_accuracy", "neighbours_in_factors", "informativeness"):
        for rival in set(section[metric]) - {"code"}:
            assert section[metric]["code"].low > section[metric][rival].high
    assert section["neighbours_in_pixels"]["pixel_pca"].value > section["neighbours_in_pixels"]["code"].high
    assert found["axes"]["mutual_information"]["code_0"]["colour"].value > 0.3
