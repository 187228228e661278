"""Nested metrics as tables: a row for each metric, a column for each thing that was measured."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from imagevae.evaluation import headlines as summary
from imagevae.evaluation.intervals import Estimate
from imagevae.report import glossary

WITH_INTERVALS = "with_intervals"  # where the evaluation puts its sections


@dataclass
class Table:
    """Estimates of a section.

    Attributes:
        title: of the section.
        columns: what was measured, in words.
        rows: by the metric's name, by column, the estimate.
        notes: numbers that are no metrics, by name.
    """

    title: str
    columns: list[str] = field(default_factory=list)
    rows: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    notes: dict[str, float] = field(default_factory=dict)


def headlines(metrics: Mapping[str, Any]) -> dict[str, Estimate]:
    """The numbers at the top of the metrics, each with the interval that the sections have for it."""
    known = summary.headlines(sections(metrics))
    return {
        name: known.get(name, _read({"value": value}))
        for name, value in metrics.items()
        if not isinstance(value, Mapping)
    }


def sections(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The sections of the metrics, which lie beside the headlines or one level below, with their estimates."""
    found: dict[str, Mapping[str, Any]] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            found |= value if name == WITH_INTERVALS else {name: value}
    return {name: _read(section) for name, section in found.items()}


def _read(entry: Any) -> Any:
    """JSON with its estimates, in which null stands for an unknown number, as Estimate."""
    if not isinstance(entry, Mapping):
        return entry
    if "value" in entry and not isinstance(entry["value"], Mapping):  # which may be the name of a class
        return Estimate(**{"value": math.nan} | {part: number for part, number in entry.items() if number is not None})
    return {name: _read(value) for name, value in entry.items()}


def table(name: str, section: Mapping[str, Any]) -> Table:
    """The estimates of a section in rows and columns.

    Of the path to an estimate, the first name in `glossary.SUBJECTS` is its column, or the last name in a section of
    `glossary.CROSSED` or `glossary.NAMED`; the others, joined by slashes, are its row.
    """
    result = Table(glossary.section(name))
    for path, estimate in _estimates(section, ()):
        if name in glossary.CROSSED:
            column, row = path[-1], "/".join(path[:-1])
        elif name in glossary.NAMED:
            column, row = glossary.SUBJECTS[path[-1]], "/".join(path[:-1])
        else:
            subject = next((part for part in path if part in glossary.SUBJECTS), None)
            column = glossary.SUBJECTS[subject] if subject else ""
            row = "/".join(part for part in path if part != subject)
        if column not in result.columns:
            result.columns.append(column)
        result.rows.setdefault(row, {})[column] = estimate
    result.notes = {name: value for name, value in section.items() if isinstance(value, int | float)}
    return result


def _estimates(section: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Estimate]]:
    for name, value in section.items():
        if isinstance(value, Estimate):
            yield (*path, name), value
        elif isinstance(value, Mapping):
            yield from _estimates(value, (*path, name))


def number(value: float) -> str:
    """A number for readers: four significant digits, thousands separated."""
    if not math.isfinite(value):
        return "unknown"
    if value and not 1e-4 <= abs(value) < 1e7:
        return f"{value:.3e}"
    digits = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    text = f"{value:,.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "\N{MINUS SIGN}")


def pixels(width: int, height: int) -> str:
    """Width and height with the sign between them."""
    return f"{width}\N{MULTIPLICATION SIGN}{height}"


def interval(estimate: Estimate) -> str:
    """Its 95% interval in words; nothing where an end is unknown."""
    if not (math.isfinite(estimate.low) and math.isfinite(estimate.high)):
        return ""
    return f"{number(estimate.low)} to {number(estimate.high)}"


def flat(section: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Names and values of a section of parameters; those of sections inside it have a dot in their name."""
    found: dict[str, object] = {}
    for name, value in section.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": _shown(value)}
    return found


def _shown(value: object) -> object:
    """A parameter as params.yaml has it, where a colour is #rrggbb."""
    if isinstance(value, list) and len(value) == 3 and all(type(each) is int and 0 <= each < 256 for each in value):
        return f"#{bytes(value).hex()}"
    return value
