"""Charts as SVG, coloured by the style sheet of their page."""

import math
from collections.abc import Mapping, Sequence
from html import escape

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 360, 220
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 10, 34  # margins for the labels
TICKS = 5
INSIDE = '<svg x="{0}" y="{1}" width="{2}" height="{3}" viewBox="{0} {1} {2} {3}">'.format(  # clips what is in it
    LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
)


def line_chart(series: Mapping[str, Points], title: str, x_label: str) -> str:
    """Lines over a common axis, in the order given; points that are not finite are left out.

    The vertical axis fits all but the first tenth of each line, which is clipped where it lies outside.

    Args:
        series: for each line its points, (x, y).
        title: what the chart shows, for readers who can't see it.
    """
    lines = {name: [(x, y) for x, y in points if math.isfinite(y)] for name, points in series.items()}
    everything = [point for points in lines.values() for point in points]
    if not everything:
        return ""
    settled = [y for points in lines.values() for _, y in points[len(points) // 10 :]]
    x_ticks = ticks(min(x for x, _ in everything), max(x for x, _ in everything))
    y_ticks = ticks(min(settled), max(settled))
    place = _Scale(x_ticks, y_ticks)
    drawn = [_line(points, place, number) for number, points in enumerate(lines.values()) if points]
    ends = "; ".join(f"{name or 'it'} ends at {_number(points[-1][1])}" for name, points in lines.items() if points)
    return _svg(f"{title}: {ends}", [*_grid(place, x_ticks, y_ticks, x_label), INSIDE, *drawn, "</svg>"])


def bar_chart(values: Sequence[float], title: str, x_label: str) -> str:
    """A bar for each value, from zero, in the order given."""
    y_ticks = ticks(0.0, max([*values, 1e-9]))
    x_ticks = [tick for tick in ticks(0, len(values)) if tick <= len(values)]
    place = _Scale([0.0, float(len(values))], y_ticks)
    bars = [
        f'<rect class="bar" x="{place.x(number):.1f}" y="{place.y(value):.1f}" '
        f'width="{(place.x(1) - place.x(0)) * 0.8:.2f}" height="{place.y(0) - place.y(value):.1f}"/>'
        for number, value in enumerate(values)
    ]
    return _svg(title, [*_grid(place, x_ticks, y_ticks, x_label), *bars])


def ticks(low: float, high: float) -> list[float]:
    """Round numbers, about five, from at most `low` to at least `high`."""
    largest = max(abs(low), abs(high))
    if high - low <= 1e-9 * max(largest, 1):
        margin = 0.01 * largest if largest > 1e-8 else 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / TICKS
    magnitude = 10 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


class _Scale:
    def __init__(self, x_ticks: Sequence[float], y_ticks: Sequence[float]):
        self.left, self.width = x_ticks[0], x_ticks[-1] - x_ticks[0]
        self.bottom, self.height = y_ticks[0], y_ticks[-1] - y_ticks[0]

    def x(self, value: float) -> float:
        return LEFT + (value - self.left) / self.width * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.bottom) / self.height * (HEIGHT - TOP - BOTTOM)


def _line(points: Points, place: _Scale, number: int) -> str:
    if len(points) == 1:
        [(x, y)] = points
        return f'<circle class="line-{number}" cx="{place.x(x):.1f}" cy="{place.y(y):.1f}" r="3"/>'
    path = " ".join(f"{place.x(x):.1f},{place.y(y):.1f}" for x, y in points)
    return f'<polyline class="line-{number}" points="{path}"/>'


def _grid(place: _Scale, x_ticks: Sequence[float], y_ticks: Sequence[float], x_label: str) -> list[str]:
    bottom = HEIGHT - BOTTOM
    rows = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place.y(tick):.1f}" y2="{place.y(tick):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{place.y(tick) + 4:.1f}" text-anchor="end">{_number(tick)}</text>'
        for tick in y_ticks
    ]
    columns = [
        f'<text x="{place.x(tick):.1f}" y="{bottom + 15}" text-anchor="middle">{_number(tick)}</text>'
        for tick in x_ticks
    ]
    label = f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 3}" text-anchor="middle">{escape(x_label)}</text>'
    return [*rows, *columns, label]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.6g}"


def _svg(title: str, parts: list[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )
