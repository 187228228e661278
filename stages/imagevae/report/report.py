"""The report of a run: one page that a person sends to a colleague."""

from html import escape

from imagevae.evaluation.intervals import Estimate
from imagevae.report import glossary, page
from imagevae.report.chart import bar_chart, line_chart
from imagevae.report.record import Data, Record
from imagevae.report.tables import Table, headlines, interval, number, pixels, sections, table

ORDER = ["samples", "reconstructions", "interpolations", "traversal", "manifold"]  # of pictures; then all others
SUSPECTS = "suspects"
KINDS = {"train": "training images", "held_out": "unseen images"}
CURVES = {  # titles of the curves
    "loss": "Loss, nats an image",
    "reconstruction": "Reconstruction term, nats an image",
    "kl": "KL divergence from the prior, nats an image",
    "texture": "Error of local textures, nats an image",
    "decoder_scale": "Scale of the decoder (mean absolute error), in levels of 255",
}
REJECTED_SHOWN = 50


def report(record: Record) -> str:
    """A page of HTML: the same record gives the same bytes."""
    content = {
        "Figures": _headlines(record),
        "Pictures": _pictures(record, suspects=False),
        "Suspected copies": _pictures(record, suspects=True),
        "Curves": _curves(record),
        "Latents": _units(record.units),
        "All metrics": "".join(_metrics_table(table(*each)) for each in sections(record.metrics).items()),
        "Data": data_section(record.data),
        "Parameters": _parameters(record),
    }
    return page.page("Report of a variational autoencoder", content, lead(record))


def lead(record: Record) -> str:
    """What the model is, in a sentence."""
    counts, latents = record.data.counts, record.parameters["model"]["latent_dim"]
    return (
        f"A model of {pixels(record.size, record.size)} images with {latents} latents, "
        f"trained on {counts['training']:,} images and measured on {counts['held_out']:,} that it did not see."
    )


def _headlines(record: Record) -> str:
    cards = "".join(_card(name, figure) for name, figure in headlines(record.metrics).items())
    return f'<p>Below a figure, its 95% interval. All metrics follow further down.</p><div class="cards">{cards}</div>'


def _card(name: str, figure: Estimate) -> str:
    entry = glossary.entry(name)
    span = interval(figure)
    below = f'<span class="interval">{span}</span>' if span else ""
    return (
        f'<div class="card"><span class="name">{escape(entry.title)}</span><span class="value">{number(figure.value)}'
        f'</span>{below}<p class="meaning">{escape(explained(entry))}</p></div>'
    )


def explained(entry: glossary.Entry) -> str:
    """What a metric tells, and which way is better."""
    better = f" {entry.better[:1].upper()}{entry.better[1:]}." if entry.better else ""
    return (entry.meaning + better).strip()


def _pictures(record: Record, suspects: bool) -> str:
    names = sorted(record.pictures, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    return "".join(
        page.picture(record.pictures[name], glossary.words(name), glossary.PICTURES.get(name, glossary.words(name)))
        for name in names
        if (name == SUSPECTS) == suspects
    )


def _curves(record: Record) -> str:
    drawn = []
    for term in sorted(record.curves, key=lambda term: (list(CURVES).index(term) if term in CURVES else 99, term)):
        series = {KINDS.get(kind, kind): points for kind, points in sorted(record.curves[term].items(), reverse=True)}
        title = CURVES.get(term, glossary.words(term))
        drawn.append(page.chart(line_chart(series, f"{title}, by epoch", "epoch"), title, [n for n in series if n]))
    return f'<div class="charts">{"".join(drawn)}</div>' if drawn else ""


def _units(units: list[float]) -> str:
    if not units:
        return ""
    title = "KL divergence of each latent from the prior, the largest first, nats an image"
    return f'<div class="charts">{page.chart(bar_chart(units, title, "latent"), title)}</div>'


def _metrics_table(figures: Table) -> str:
    if not figures.rows:
        return ""
    columns = [column for column in figures.columns if column] or [""]
    head = "".join(f'<th scope="col" role="columnheader">{escape(column or "value")}</th>' for column in columns)
    rows = "".join(_metric_row(name, row, columns) for name, row in figures.rows.items())
    sizes = sorted({figure.n for row in figures.rows.values() for figure in row.values() if figure.n})
    return (
        f'<h3>{escape(figures.title)}</h3><table class="figures" role="table">'
        f'<caption>{escape(_caption(figures, sizes))}</caption><thead role="rowgroup"><tr role="row">'
        f'<th scope="col" role="columnheader">metric</th>{head}</tr></thead><tbody role="rowgroup">{rows}</tbody>'
        "</table>"
    )


def _caption(figures: Table, sizes: list[int]) -> str:
    of = f"From {' to '.join(f'{n:,}' for n in sorted({sizes[0], sizes[-1]}))} images. " if sizes else ""
    notes = ", ".join(f"{glossary.words(name).lower()} {number(value)}" for name, value in figures.notes.items())
    return f"{of}Below each figure its 95% interval. {notes[:1].upper()}{notes[1:]}".strip()


def _metric_row(name: str, row: dict[str, Estimate], columns: list[str]) -> str:
    parts = name.split("/")
    metric = parts.pop(next((place for place, part in enumerate(parts) if part in glossary.METRICS), 0))
    entry = glossary.entry(metric)
    title = ", ".join([entry.title, *(glossary.SUBJECTS.get(part, part.replace("_", " ")) for part in parts)])
    if set(row) == {""}:  # a figure of no one column
        cells = _cell("", row[""], len(columns))
    else:
        cells = "".join(_cell(column, row[column]) if column in row else '<td role="cell"></td>' for column in columns)
    return (
        f'<tr role="row"><th scope="row" role="rowheader">{escape(title)}<span class="meaning">'
        f"{escape(explained(entry))}</span></th>{cells}</tr>"
    )


def _cell(column: str, figure: Estimate, width: int = 1) -> str:
    span = interval(figure)
    below = f'<span class="interval">{span}</span>' if span else ""
    wide = f' colspan="{width}"' if width > 1 else ""
    return f'<td role="cell" data-label="{escape(column or "value")}"{wide}><b>{number(figure.value)}</b>{below}</td>'


def data_section(data: Data) -> str:
    """The images of the run: how many, how large, which were rejected."""
    facts: dict[str, object] = {glossary.COUNTS.get(name, name): f"{count:,}" for name, count in data.counts.items()}
    if data.sizes:
        smallest, middle, largest = (pixels(*size) for size in data.sizes)
        facts |= {"Smallest, as they came": smallest, "Median": middle, "Largest": largest}
    facts["Rejected"] = f"{len(data.rejected):,}"
    listed = list(data.rejected.items())[:REJECTED_SHOWN]
    more = len(data.rejected) - len(listed)
    caption = f"Images that could not be used{f', and {more:,} more' if more else ''}"
    rejected = page.plain_table(["image", "reason"], listed, caption) if listed else ""
    return f'<div class="card">{page.definitions(facts)}</div>{rejected}'


def _parameters(record: Record) -> str:
    cards = [
        f'<div class="card"><h3><code>{escape(name)}</code></h3>{page.definitions(flat(section))}</div>'
        for name, section in record.parameters.items()
    ]
    return f'<div class="parameters">{"".join(cards)}</div>'


def flat(section: dict[str, object], prefix: str = "") -> dict[str, object]:
    """Names and values of a section, those of sections inside it with a dot."""
    found: dict[str, object] = {}
    for name, value in section.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": _shown(value)}
    return found


def _shown(value: object) -> object:
    """A parameter as params.yaml has it, where a colour is #rrggbb."""
    return f"#{bytes(value).hex()}" if isinstance(value, list) and len(value) == 3 else value
