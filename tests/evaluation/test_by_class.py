"""What is measured by class: right where samples are of the class they were drawn of, and wrong where not."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import as_images
from imagevae.dataset.labels import Labels
from imagevae.dataset.squares import Images, in_memory
from imagevae.evaluation.by_class import (
    COLUMNS,
    Kinds,
    class_sheets,
    classes_of,
    classes_section,
    in_proportion,
    report_missing,
)
from imagevae.evaluation.features import random_network
from imagevae.evaluation.headlines import headlines, summary
from imagevae.evaluation.intervals import Estimate
from imagevae.evaluation.sets import Derived, Pool, Sets, nearest_training_images
from imagevae.model.classes import NO_CLASS
from imagevae.report.tables import sections, table

NAMES = ["value", "samples", "a/b"]  # which may be mistaken for something else


def pictures(numbers: np.ndarray, seed: int) -> np.ndarray:
    """Images of 8 x 8 pixels in shades of a colour for each class."""
    noise = np.random.default_rng(seed)
    found = noise.integers(0, 60, (len(numbers), 8, 8, 3))
    found[np.arange(len(numbers)), :, :, numbers] += noise.integers(100, 190, (len(numbers), 1, 1))
    return found.astype(np.uint8)


NUMBERS = Kinds(np.repeat([0, 1, 2], [60, 40, 30]), np.repeat([0, 1, 2], [30, 20, 12]), np.repeat([0, 1, 2], 20))
TRAINING, HELD_OUT = pictures(NUMBERS.training, 0), pictures(NUMBERS.held_out, 1)


def measured(samples: np.ndarray, asked: np.ndarray) -> dict:
    sets = Sets(as_images(TRAINING), TRAINING, HELD_OUT, samples)
    made = Derived({}, HELD_OUT, nearest_training_images(sets.training, {"held_out": HELD_OUT}))
    return classes_section(NAMES, NUMBERS._replace(samples=asked), [random_network(8, 0)], sets, made)


def test_samples_that_are_what_they_were_drawn_of_are_told_as_that_and_are_near():
    found = measured(pictures(NUMBERS.samples, 2), NUMBERS.samples)
    assert (found["classes"], found["measured"]) == (3, 3)
    for metric in ("class_accuracy", "kid_classes"):
        assert list(found[metric]) == ["all", *NAMES]
    for name in ("all", *NAMES):
        assert found["class_accuracy"][name]["samples"].value == found["class_accuracy"][name]["held_out"].value == 1
        assert found["kid_classes"][name]["samples"].low < found["kid_classes"][name]["training_images"].high
    for metric in ("precision", "coverage", "memorised", "c_t"):
        assert list(found[metric]) == NAMES
    assert "class_share" not in found


def test_samples_of_another_class_are_told_as_that_and_are_far():
    right, wrong = (
        measured(pictures(numbers, 2), NUMBERS.samples) for numbers in (NUMBERS.samples, 2 - NUMBERS.samples)
    )
    told = [wrong["class_accuracy"][name]["samples"].value for name in ("all", *NAMES)]
    assert told == pytest.approx([1 / 3, 0, 1, 0])
    for name in (NAMES[0], NAMES[2]):
        assert wrong["kid_classes"][name]["samples"].value > 10 * abs(right["kid_classes"][name]["samples"].value)
        assert wrong["precision"][name]["samples"].value == 0


def test_copies_show_in_their_class_alone():
    samples = pictures(NUMBERS.samples, 2)
    samples[:20] = TRAINING[:20]
    found = measured(samples, NUMBERS.samples)
    assert found["c_t"][NAMES[0]]["samples"].value < -3
    assert found["memorised"][NAMES[0]]["samples"].value == 1
    assert found["c_t"][NAMES[1]]["samples"].value > -3


def test_of_samples_of_any_class_it_is_told_how_many_are_of_which():
    found = measured(pictures(np.repeat([0, 2], [15, 5]), 2), np.full(20, NO_CLASS))
    shares = {name: {of: estimate.value for of, estimate in row.items()} for name, row in found["class_share"].items()}
    assert [shares[name]["samples"] for name in NAMES] == [0.75, 0, 0.25]
    assert shares[NAMES[0]]["training_images"] == pytest.approx(60 / 130)
    assert shares[NAMES[0]]["held_out"] == pytest.approx(30 / 62)
    assert list(found["class_accuracy"]["all"]) == ["held_out"]
    assert "kid_classes" not in found


def test_a_class_of_few_images_is_left_out():
    few = NUMBERS.samples[:45]  # five of the last class
    found = measured(pictures(few, 2), few)
    assert list(found["coverage"]) == NAMES[:2]
    assert list(found["class_accuracy"]) == ["all", *NAMES]


def test_any_names_survive_the_file_and_have_their_rows():
    found = measured(pictures(NUMBERS.samples, 2), NUMBERS.samples)
    content = json.loads(summary(headlines({"classes": found}), {"classes": found}))
    assert content["class_accuracy"] == 1
    read = sections(content)["classes"]
    assert isinstance(read["coverage"]["value"]["samples"], Estimate)
    rows = table("classes", read)
    assert {f"coverage/{name}" for name in NAMES} <= set(rows.rows)
    assert set(rows.columns) == {"samples", "unseen images", "training images (floor)"}


# Which samples stand for what


def named(*names: str) -> Images:
    return in_memory(np.zeros((len(names), 8, 8, 3), np.uint8), names)


def test_samples_are_of_the_class_whose_folder_they_lie_in():
    real = named("a%2Fb/1.png", "value/2.png", "3.png")
    drawn = named("a%2Fb/000000.png", "a/b/000000.png", "value/000001.png", "000000.png")
    found = classes_of(NAMES, Labels("folders", {}), Pool(real, real, drawn))
    assert found.training.tolist() == [NO_CLASS, 0, NO_CLASS]
    assert found.samples.tolist() == [2, NO_CLASS, 0, NO_CLASS]


@given(asked=st.lists(st.integers(0, 4), min_size=1, max_size=200), training=st.lists(st.integers(0, 4), max_size=200))
def test_classes_stand_in_the_proportion_of_training_images(asked: list[int], training: list[int]):
    training = [*training, *range(5)]
    chosen = np.array(asked)[in_proportion(np.array(asked), np.array(training))]
    known = set(asked)
    scale = min(asked.count(number) / training.count(number) for number in known)
    for number in known:
        assert abs((chosen == number).sum() - scale * training.count(number)) <= 1
        assert (chosen == number).any()


def test_samples_of_any_class_are_all_taken():
    assert in_proportion(np.full(5, NO_CLASS), np.array([0, 1])).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("asked", "said"), [([0, 0], "1 of 3 classes"), ([0, 1, 2], ""), ([NO_CLASS], "")])
def test_missing_classes_are_said(asked: list[int], said: str, capsys: pytest.CaptureFixture):
    report_missing(NAMES, np.array(asked))
    err = capsys.readouterr().err
    assert said in err
    assert bool(err) == bool(said)


def test_a_picture_has_a_row_for_each_class_of_the_samples():
    asked = np.repeat([0, 2], [3, 20])
    sets = Sets(as_images(TRAINING), TRAINING, HELD_OUT, pictures(asked, 2))
    picture = class_sheets(NAMES, NUMBERS._replace(samples=asked), sets)["classes"]
    shown = picture[:, -(2 * COLUMNS + 1) * 8 :]
    assert picture.shape[0] == 2 * 8
    assert np.array_equal(shown[:8, :8], TRAINING[0])
    assert np.array_equal(picture[8:, -8:], sets.samples[3 + COLUMNS - 1])
    assert class_sheets(NAMES, NUMBERS._replace(samples=np.full(23, NO_CLASS)), sets) == {}
