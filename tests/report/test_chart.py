"""Charts: round ticks around all values, and SVG that is well-formed whatever the names and values."""

import itertools
from xml.etree import ElementTree

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imagevae.report.chart import HEIGHT, WIDTH, bar_chart, line_chart, ticks

numbers = st.floats(-1e9, 1e9)


@given(numbers, numbers)
def test_ticks_are_few_and_evenly_spaced_around_the_values(low: float, high: float):
    assume(high - low > 1e-6 * max(abs(low), abs(high), 1e-3))
    found = ticks(low, high)
    step = found[1] - found[0]
    assert found[0] <= low + 1e-6 * step
    assert found[-1] >= high - 1e-6 * step
    assert 2 <= len(found) <= 9
    assert [b - a for a, b in itertools.pairwise(found)] == pytest.approx([step] * (len(found) - 1))


@pytest.mark.parametrize("value", [0.0, 5.0, -3e4, 1e-7])
def test_a_single_value_has_ticks_around_it(value: float):
    found = ticks(value, value)
    assert found[0] < value < found[-1]


@given(
    st.dictionaries(
        st.text(st.characters(categories=["L", "P", "S"])),
        st.lists(st.tuples(st.integers(0, 500).map(float), st.floats(-1e6, 1e6) | st.just(float("nan"))), max_size=30),
        max_size=3,
    )
)
def test_a_line_chart_is_svg_with_a_line_for_each_series_that_has_points(series: dict[str, list[tuple[float, float]]]):
    svg = line_chart(series, '<title> & "more"', "epoch")
    filled = [points for points in series.values() if any(y == y for _, y in points)]
    if not filled:
        assert svg == ""
        return
    tree = ElementTree.fromstring(svg)
    assert '<title> & "more"' in tree.attrib["aria-label"]
    drawn = [mark for mark in tree.iter() if mark.get("class", "").startswith("line-")]
    assert len(drawn) == len(filled)
    assert "nan" not in svg.replace(tree.attrib["aria-label"], "")


def test_the_start_of_a_line_is_clipped_where_it_lies_far_out():
    svg = line_chart({"": [(0.0, 1e6), *((float(epoch), 1.0 + epoch / 20) for epoch in range(1, 20))]}, "KL", "epoch")
    [inner] = ElementTree.fromstring(svg).findall("svg")
    [line] = inner
    assert inner.attrib["viewBox"].split() == [inner.attrib[side] for side in ("x", "y", "width", "height")]
    first, *others = (float(point.split(",")[1]) for point in line.attrib["points"].split())
    top, height = float(inner.attrib["y"]), float(inner.attrib["height"])
    assert first < top
    assert all(top <= y <= top + height for y in others)


def test_bars_reach_from_zero_to_their_values():
    tree = ElementTree.fromstring(bar_chart([4.0, 2.0, 0.0], "KL", "latent"))
    bars = [bar for bar in tree.iter() if bar.get("class") == "bar"]
    heights = [float(bar.attrib["height"]) for bar in bars]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.2)
    assert heights[2] == 0
    assert all(0 <= float(bar.attrib["x"]) <= WIDTH and 0 <= float(bar.attrib["y"]) <= HEIGHT for bar in bars)
