"""Metrics as tables, and numbers as people read them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from example_run import METRICS
from imagevae.evaluation.intervals import Estimate
from imagevae.report.tables import flat, headlines, interval, number, sections, table


def test_a_metric_is_a_row_and_what_was_measured_is_a_column_whichever_is_the_outer_one():
    reconstruction, _, features = (table(*section) for section in sections(METRICS).items())
    assert reconstruction.columns == ["the model", "the mean image"]
    assert reconstruction.rows["psnr"]["the model"] == Estimate(24.5, 24.0, 25.0, 200)
    assert reconstruction.rows["psnr"]["the mean image"].value == 14.0
    assert reconstruction.notes == {"draws": 4}
    assert features.columns == ["samples", "training images (floor)"]
    assert features.rows["kid"]["samples"] == Estimate(0.1, 0.05, math.nan, 200)
    assert features.title == "Samples against unseen images, in random features"


def test_of_two_things_on_the_way_to_an_estimate_the_second_tells_rows_apart():
    found = table(
        "latents", {"model": {"fd_from_prior": {"aggregate_posterior": Estimate(1.0), "floor": Estimate(2.0)}}}
    )
    assert found.columns == ["the model"]
    assert list(found.rows) == ["fd_from_prior/aggregate_posterior", "fd_from_prior/floor"]


def test_factors_are_columns_whatever_their_names():
    axes = table("axes", sections(METRICS)["axes"])
    assert axes.columns == ["model", "of|mine"]
    assert list(axes.rows) == ["mutual_information/code_0"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [([0, 128, 255], "#0080ff"), ([1, 2, 300], [1, 2, 300]), ([1.0, 2, 3], [1.0, 2, 3]), ("abc", "abc")],
)
def test_colours_are_shown_as_such_and_what_is_none_as_it_is(value: object, shown: object):
    assert flat({"a": {"b": value}}) == {"a.b": shown}


def test_a_headline_has_the_interval_of_its_estimate_and_of_no_other():
    found = headlines(METRICS)
    assert found == {"psnr": Estimate(24.5, 24.0, 25.0, 200), "images": Estimate(207)}
    assert headlines({**METRICS, "kid": 0.0, "coverage": 24.5})["coverage"] == Estimate(24.5)


def test_estimates_without_intervals_or_sections_are_shown_as_they_are():
    assert headlines({"elbo": -5.0, "mig": None}) == {"elbo": Estimate(-5.0), "mig": Estimate(math.nan)}
    assert interval(Estimate(1.0)) == interval(Estimate(1.0, 0.5)) == interval(Estimate(1.0, 0.5, math.inf)) == ""
    assert interval(Estimate(1.0, 0.5, 1.5)) == "0.5 to 1.5"


@given(st.floats(-1e12, 1e12))
def test_numbers_keep_four_digits(value: float):
    read = float(number(value).replace(",", "").replace("\N{MINUS SIGN}", "-"))
    assert read == pytest.approx(value, rel=5.1e-4)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (-51729.4, "−51,729"), (24.534, "24.53"), (0.00374, "0.00374"), (64, "64"), (math.nan, "unknown")],  # noqa: RUF001
)
def test_numbers_read_well(value: float, text: str):
    assert number(value) == text
