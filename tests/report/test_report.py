"""The report and the model card: the same bytes for the same record, nothing from the network, nothing unescaped."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
import yaml

from example_run import record
from imagevae.report.model_card import model_card
from imagevae.report.report import report
from imagevae.report.style import STYLE

VOID = {"meta", "link", "img", "br"}


class Tags(HTMLParser):
    """The elements of a page; fails where a tag is not closed."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID and not self.rawdata[self.rawdata.find(">") - 1 :].startswith("/>"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_a_page_that_needs_no_other_file():
    html = report(record())
    assert html == report(record())
    tags = Tags(html).found
    names = [tag for tag, _ in tags]
    assert names.count("img") == 4
    assert {"script", "i", "b><"} & set(names) == set()
    for tag, attributes in tags:
        for source in (attributes.get("src"), attributes.get("href")):
            assert source is None or source.startswith(("data:", "#"))
        assert tag != "img" or attributes["alt"]
        assert tag != "th" or attributes["scope"]
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in tags:
        assert not (attributes.get("href") or "").startswith("#") or attributes["href"][1:] in ids


def test_the_report_tells_all_there_is_and_leaves_out_what_there_is_not():
    html = report(record())
    for told in ("1,200", "24.5", "24 to 25", "300×400", "#0000ff", "&lt;b&gt;.png", "a|b"):  # noqa: RUF001
        assert told in html
    for heading in ("Pictures", "Suspected copies", "Curves", "Latents", "All metrics", "Data", "Parameters"):
        assert f">{heading}</h2>" in html
    bare = report(record(metrics={"elbo": -5.0}, curves={}, units=[], pictures={}))
    for heading in ("Pictures", "Suspected copies", "Curves", "Latents", "All metrics"):
        assert f">{heading}</h2>" not in bare
    Tags(bare)


def test_the_model_card_is_markdown_with_front_matter_and_whole_tables():
    card = model_card(record())
    assert card == model_card(record())
    _, front, text = card.split("---\n", 2)
    assert yaml.safe_load(front)["library_name"] == "keras"
    for told in ("1,200", "24.5", "24 to 25", "300×400", "#0000ff", "a\\|b", "evaluate/samples.png", "## Limits"):  # noqa: RUF001
        assert told in text
    for rows in re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in rows.splitlines()}
        assert len(cells) == 1, rows


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    levels = np.frombuffer(bytes.fromhex(colour), np.uint8) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: int):
    """WCAG 2.2, 1.4.3: a contrast of 4.5 at least."""
    colours = {
        name: found[scheme]
        for name in ("paper", "card", "ink", "quiet", "link", "first", "second")
        if (found := re.findall(rf"--{name}: #(\w+);", STYLE))
    }
    for text in ("ink", "quiet", "link", "first", "second"):
        for ground in ("paper", "card"):
            dark, light = sorted(luminance(colours[name]) for name in (text, ground))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)
