"""Nested metrics as tables: a row for each metric, a column for each thing that was measured."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from imagevae.evaluation import headlines as summary
from imagevae.report import glossary

WITH_INTERVALS = "with_intervals"  # where the evaluation puts its sections


@dataclass(frozen=True)
class Figure:
    """A number with the ends of its 95% interval and its sample size, each where it is known."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None


@dataclass
class Table:
    """Figures of a section.

    Attributes:
        title: of the section.
        columns: what was measured, in words.
        rows: by the metric's name, by column, the figure.
        notes: numbers that are no metrics, by name.
    """

    title: str
    columns: list[str] = field(default_factory=list)
    rows: dict[str, dict[str, Figure]] = field(default_factory=dict)
    notes: dict[str, float] = field(default_factory=dict)


def headlines(metrics: Mapping[str, Any]) -> dict[str, Figure]:
    """The numbers at the top of the metrics, each with the interval that the sections have for it."""
    known = summary.headlines(sections(metrics))
    return {
        name: _figure(known.get(name, {"value": value}))
        for name, value in metrics.items()
        if not isinstance(value, Mapping)
    }


def sections(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The sections of the metrics, which lie beside the headlines or one level below."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            found |= value if name == WITH_INTERVALS else {name: value}
    return found


def table(name: str, section: Mapping[str, Any]) -> Table:
    """The figures of a section in rows and columns.

    The first of `glossary.SUBJECTS` on the way to a figure is its column; the rest of the way, with slashes, its row.
    """
    result = Table(glossary.section(name))
    for path, figure in _figures(section, ()):
        subject = next((part for part in path if part in glossary.SUBJECTS), None)
        column = glossary.SUBJECTS[subject] if subject else ""
        row = "/".join(part for part in path if part != subject)
        if column not in result.columns:
            result.columns.append(column)
        result.rows.setdefault(row, {})[column] = figure
    result.notes = {name: value for name, value in section.items() if isinstance(value, int | float)}
    return result


def _figures(section: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Figure]]:
    for name, value in section.items():
        if not isinstance(value, Mapping):
            continue
        if _is_figure(value):
            yield (*path, name), _figure(value)
        yield from _figures(value, (*path, name))


def _figure(entry: Mapping[str, Any]) -> Figure:
    return Figure(*(entry.get(part) for part in ("value", "low", "high", "n")))  # type: ignore[arg-type]


def _is_figure(value: Mapping[str, Any]) -> bool:
    return "value" in value


def number(value: float | None) -> str:
    """A number to be read: four digits that count, thousands apart."""
    if value is None or not math.isfinite(value):
        return "unknown"
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3e}"
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:,.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "\N{MINUS SIGN}")


def pixels(width: int, height: int) -> str:
    """Width and height as they are said."""
    return f"{width}\N{MULTIPLICATION SIGN}{height}"


def interval(figure: Figure) -> str:
    """Its 95% interval in words, or nothing."""
    if figure.low is None or figure.high is None:
        return ""
    return f"{number(figure.low)} to {number(figure.high)}"
