"""The model card, in Markdown: what users of the model have to know (Mitchell et al. 2019)."""

import re

import yaml

from imagevae.evaluation.intervals import Estimate
from imagevae.report import glossary
from imagevae.report.record import Record
from imagevae.report.tables import Table, flat, headlines, interval, number, pixels, sections, table

FRONT_MATTER = {
    "library_name": "keras",
    "pipeline_tag": "unconditional-image-generation",
    "tags": ["vae", "keras", "image-generation", "dvc"],
}

SPECIAL = re.compile(r"[<>&`\\]|(?<=\])[(\[]")  # what means something to Markdown in a cell or a heading

USE = """## How to use it

In a clone of the repository that trained it, with its DVC remote:

```console
$ make setup && source .venv/bin/activate
$ dvc pull data/model
$ python stages/sample.py --model data/model/vae.keras --output samples --count 100
$ python stages/explore.py interpolate --model data/model/vae.keras --output between one.png another.png
$ python stages/explore.py encode --model data/model/vae.keras --images pictures --output latents
```

Images may be of any kind and size; they are resized as in training if `--fit` and `--background` have the values below.
`--help` explains each command."""

USE_OF_CLASSES = """

It knows classes: `--label NAME` draws samples of one, and `--label all` as many of each."""


def model_card(record: Record) -> str:
    """The model card as Markdown: the same record gives the same bytes."""
    parts = [
        f"---\n{yaml.safe_dump(FRONT_MATTER, sort_keys=False)}---",
        "# Variational autoencoder",
        record.lead,
        _pictures(record),
        USE + (USE_OF_CLASSES if record.data.classes else ""),
        "## Data",
        _data(record),
        "## Metrics",
        "With 95% intervals. The metrics are explained below the tables.",
        _headlines(record),
        *(_table(table(*each)) for each in sections(record.metrics).items()),
        _meanings(record),
        "## Limits",
        "\n".join(f"- {limit}" for limit in limits(record)),
        "## Parameters",
        *(f"{_code(name)}\n\n{_list(section)}" for name, section in record.parameters.items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def limits(record: Record) -> list[str]:
    """What the model can't do, as far as the record shows."""
    size, counts = record.size, record.data.counts
    return [
        f"It knows images like the {counts['training']:,} that it was trained on, and no others: it reconstructs "
        "anything else as if it were one of them. What is rare or missing among them is so among its samples.",
        f"It works at {pixels(size, size)} pixels. Finer detail is lost from the start.",
        "Like all models in which pixels are independent given the latents, it blurs what it is uncertain about, or "
        "makes up its texture, the more so the larger the texture weight.",
        "Its likelihood can be compared only with that of other models of 8-bit images of the same size, and its "
        "distances only with those between as many images in the same features.",
        f"The metrics come from {counts['held_out']:,} images of the same source; it may do worse on others.",
        "Samples can come close to training images: look at the suspected copies before you publish a model of private "
        "images.",
    ]


def _pictures(record: Record) -> str:
    shown = [name for name in ("samples", "classes", "reconstructions") if name in record.pictures]
    return "\n\n".join(f"![{glossary.PICTURES[name]}](evaluate/{name}.png)" for name in shown)


def _data(record: Record) -> str:
    data = record.data
    lines = [f"{glossary.COUNTS.get(name) or _text(name)}: {count:,}" for name, count in data.counts.items()]
    if data.sizes:
        smallest, middle, largest = (pixels(*size) for size in data.sizes)
        lines.append(f"Original sizes: {smallest} to {largest}, median {middle}")
    if data.classes:
        lines.append(f"Classes, with training images of each: {_text(data.classes_in_words)}")
    lines.append(f"Rejected: {len(data.rejected):,}")
    return "\n".join(f"- {line}" for line in lines)


def _headlines(record: Record) -> str:
    rows = [[_code(name), *_cells(estimate)] for name, estimate in headlines(record.metrics).items()]
    return _markdown(["metric", "value", "95% interval"], rows)


def _cells(estimate: Estimate) -> list[str]:
    return [number(estimate.value), interval(estimate)]


def _table(found: Table) -> str:
    if not found.rows:
        return ""
    rows = [[_code(name), *(_in_one(row.get(column)) for column in found.columns)] for name, row in found.rows.items()]
    columns = (_text(column) or "value" for column in found.columns)
    return f"### {_text(found.title)}\n\n" + _markdown(["metric", *columns], rows)


def _in_one(estimate: Estimate | None) -> str:
    if not estimate:
        return ""
    span = interval(estimate)
    return f"{number(estimate.value)} ({span})" if span else number(estimate.value)


def _meanings(record: Record) -> str:
    names = [*headlines(record.metrics)]
    names += [name.partition("/")[0] for each in sections(record.metrics).items() for name in table(*each).rows]
    entries = {name: glossary.entry(name) for name in dict.fromkeys(names)}
    return "\n".join(f"- {_code(name)}, {_text(entry.title)}: {entry.explained}" for name, entry in entries.items())


def _list(section: dict[str, object]) -> str:
    return _markdown(["parameter", "value"], [[_code(name), _text(value)] for name, value in flat(section).items()])


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )


def _code(name: str) -> str:
    return _text(name) if SPECIAL.search(name) or not name.isprintable() else f"`{name}`"


def _text(value: object) -> str:
    """A name or value as text, whatever is in it: no HTML, code, links or escapes of Markdown's."""
    return SPECIAL.sub(lambda found: f"&#{ord(found[0])};", " ".join(str(value).split()))
