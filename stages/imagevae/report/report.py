"""The report of a run: one page to send to a colleague."""

import base64
import itertools
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from imagevae.cli.errors import BadInput
from imagevae.evaluation.intervals import Estimate
from imagevae.images.codec import decode, flatten
from imagevae.report import glossary
from imagevae.report.chart import bar_chart, line_chart
from imagevae.report.record import Data, Record
from imagevae.report.tables import Table, flat, headlines, interval, number, pixels, sections, table

# Of pictures; then all others.
ORDER = ["samples", "classes", "reconstructions", "interpolations", "traversal", "map", "manifold"]
SUSPECTS = "suspects"
OF_FOLDER = ("strange", "doubles")
KINDS = {"train": "training images", "held_out": "unseen images"}
CURVES = {  # titles of the curves
    "loss": "Loss, nats per image",
    "reconstruction": "Reconstruction term, nats per image",
    "kl": "KL divergence from the prior, nats per image",
    "texture": "Error of local textures, nats per image",
    "decoder_scale": "Scale of the decoder (mean absolute error), in levels of 0 to 255",
}
UNITS = "KL divergence of each latent from the prior, the largest first, nats per image"
REJECTED_SHOWN = 50
WEBP_SIDE, WHITE = 16383, (255, 255, 255)  # pixels of a picture at most; behind transparent ones


def report(record: Record) -> str:
    """The report as a page of HTML: the same record gives the same bytes."""
    content = {
        "Key metrics": [(glossary.entry(name), estimate) for name, estimate in headlines(record.metrics).items()],
        "Pictures": [
            _picture(record, name) for name in _ordered(record.pictures, ORDER) if name not in (SUSPECTS, *OF_FOLDER)
        ],
        "Odd images and near-duplicates": [_picture(record, name) for name in OF_FOLDER if name in record.pictures],
        "Suspected copies": [_picture(record, name) for name in record.pictures if name == SUSPECTS],
        "Curves": [_curves(record, term) for term in _ordered(record.curves, list(CURVES))],
        "Latents": [_chart(UNITS, bar_chart(record.units, UNITS, "latent"))] if record.units else [],
        "All metrics": [_metrics(found) for each in sections(record.metrics).items() if (found := table(*each)).rows],
        "Data": _data(record.data),
        "Parameters": {name: flat(section) for name, section in record.parameters.items()},
    }
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"number": number, "interval": interval}
    page = environment.get_template("page.html.jinja")
    style = (Path(__file__).parent / "style.css").read_text()
    shown = {"title": "Report of a variational autoencoder", "lead": record.lead, "sections": content}
    return page.render(shown, style=Markup(style), policy=_policy(style))


def _policy(style: str) -> str:
    """A Content Security Policy that allows one style sheet and pictures in the page, and nothing else."""
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"


def _ordered(names: Iterable[str], order: list[str]) -> list[str]:
    """Those in `order` first, then all others by name."""
    return sorted(names, key=lambda name: (order.index(name) if name in order else len(order), name))


def _picture(record: Record, name: str) -> dict[str, Any]:
    """A picture as a data URI: in WebP without loss, or in PNG where it is too large for that.

    Raises:
        BadInput: it is damaged, or no picture.
    """
    try:
        pixels = flatten(decode(record.pictures[name]), WHITE)
    except BadInput as error:
        raise BadInput(f"{name}.png: {error}") from None
    height, width = pixels.shape[:2]
    kind, content = "png", record.pictures[name]
    if max(height, width) <= WEBP_SIDE:
        lossless = [cv2.IMWRITE_WEBP_QUALITY, 101]  # any above 100
        kind, content = "webp", cv2.imencode(".webp", pixels[:, :, ::-1], lossless)[1].tobytes()
    return {
        "uri": f"data:image/{kind};base64,{base64.b64encode(content).decode()}",
        "width": width,
        "height": height,
        "title": glossary.words(name),
        "caption": glossary.PICTURES.get(name, glossary.words(name)),
    }


def _curves(record: Record, term: str) -> dict[str, Any]:
    series = {KINDS.get(kind, kind): points for kind, points in sorted(record.curves[term].items(), reverse=True)}
    title = CURVES.get(term, glossary.words(term))
    return _chart(title, line_chart(series, f"{title}, by epoch", "epoch"), [name for name in series if name])


def _chart(caption: str, svg: str, lines: Sequence[str] = ()) -> dict[str, Any]:
    return {"caption": caption, "svg": Markup(svg), "lines": lines}


def _metrics(found: Table) -> dict[str, Any]:
    columns = [column for column in found.columns if column]
    rows = [_row(name, row, columns) for name, row in found.rows.items()]
    for above, below in reversed(list(itertools.pairwise(rows))):
        if below["meaning"] == above["meaning"]:
            below["meaning"] = ""
    return {
        "title": found.title,
        "caption": _caption(found),
        "columns": columns or ["value"],
        "rows": rows,
    }


def _caption(found: Table) -> str:
    sizes = {estimate.n for row in found.rows.values() for estimate in row.values() if estimate.n}
    of = f"From {' to '.join(f'{n:,}' for n in sorted({min(sizes), max(sizes)}))} images. " if sizes else ""
    notes = ", ".join(f"{glossary.words(name).lower()} {number(value)}" for name, value in found.notes.items())
    return f"{of}Below each estimate, its 95% interval. {notes[:1].upper()}{notes[1:]}".strip()


def _row(name: str, row: dict[str, Estimate], columns: list[str]) -> dict[str, Any]:
    parts = name.split("/")
    metric = parts.pop(next((place for place, part in enumerate(parts) if part in glossary.METRICS), 0))
    entry = glossary.entry(metric)
    of_no_column = set(row) == {""}
    return {
        "title": ", ".join([entry.title, *(glossary.SUBJECTS.get(part, part.replace("_", " ")) for part in parts)]),
        "meaning": entry.explained,
        "cells": {"value": row[""]} if of_no_column else {column: row.get(column) for column in columns},
        "width": len(columns) if of_no_column else 1,
    }


def _data(data: Data) -> dict[str, Any]:
    facts = {glossary.COUNTS.get(name, name): f"{count:,}" for name, count in data.counts.items()}
    if data.sizes:
        smallest, middle, largest = (pixels(*size) for size in data.sizes)
        facts |= {"Smallest original": smallest, "Median original": middle, "Largest original": largest}
    if data.classes:
        facts["Classes, with training images of each"] = data.classes_in_words
    facts["Rejected"] = f"{len(data.rejected):,}"
    rejected = list(data.rejected.items())
    return {"facts": facts, "rejected": dict(rejected[:REJECTED_SHOWN]), "more": len(rejected[REJECTED_SHOWN:])}
