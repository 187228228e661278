"""A web page in one file, which needs nothing from the network."""

import base64
from collections.abc import Iterable, Mapping
from html import escape

import cv2
import numpy as np

from imagevae.report.style import STYLE


def page(title: str, sections: Mapping[str, str], lead: str) -> str:
    """A document of sections, each a heading with the HTML below it; the empty ones are left out.

    Args:
        title, lead: text, the heading of all and a sentence below it.
    """
    filled = {heading: content for heading, content in sections.items() if content}
    links = "".join(f'<li><a href="#{anchor(heading)}">{escape(heading)}</a></li>' for heading in filled)
    body = "\n".join(
        f'<section aria-labelledby="{anchor(heading)}"><h2 id="{anchor(heading)}">{escape(heading)}</h2>\n{content}\n'
        "</section>"
        for heading, content in filled.items()
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<p class="lead">{escape(lead)}</p>
<nav aria-label="Contents"><ul>{links}</ul></nav>
</header>
<main>
{body}
</main>
</body>
</html>
"""


def anchor(heading: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in heading.lower())


def picture(png: bytes, alt: str, caption: str) -> str:
    """A picture of the page itself, without loss, with its caption."""
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    webp = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()  # above 100 is lossless
    height, width = pixels.shape[:2]
    return (
        f'<figure><img src="data:image/webp;base64,{base64.b64encode(webp).decode()}" alt="{escape(alt)}" '
        f'width="{width}" height="{height}"{" class=wide" if width > height * 1.5 else ""}>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def chart(svg: str, caption: str, names: Iterable[str] = ()) -> str:
    """A chart with its caption and, of several lines, what they are."""
    keys = "".join(
        f'<li><svg viewBox="0 0 32 10" aria-hidden="true"><line class="line-{number}" x1="0" x2="32" y1="5" y2="5"/>'
        f"</svg>{escape(name)}</li>"
        for number, name in enumerate(names)
    )
    legend = f'<ul class="legend">{keys}</ul>' if keys else ""
    return f"<figure><figcaption>{escape(caption)}</figcaption>{svg}{legend}</figure>"


def plain_table(head: Iterable[str], rows: Iterable[Iterable[object]], caption: str) -> str:
    """A table of text, of which the first column names the row."""
    columns = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = []
    for name, *cells in rows:
        rest = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row">{escape(str(name))}</th>{rest}</tr>')
    return (
        f'<table class="plain"><caption>{escape(caption)}</caption><thead><tr>{columns}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def definitions(pairs: Mapping[str, object]) -> str:
    """Names and what they are."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in pairs.items())
    return f"<dl>{items}</dl>"
