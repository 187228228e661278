"""The report: the same bytes for the same record, nothing from the network, nothing unescaped."""

import base64
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from conftest import ROOT
from example_run import record
from imagevae.cli.errors import BadInput
from imagevae.images.codec import decode, flatten
from imagevae.images.encoding import encode_png
from imagevae.report.record import Data, Record
from imagevae.report.report import report

VOID = {"meta", "link", "img", "br"}


class Tags(HTMLParser):
    """The elements of a page; fails where a tag is not closed."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
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

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_is_a_page_that_needs_no_other_file():
    html = report(record())
    assert html == report(record())
    tags = Tags(html).found
    names = [tag for tag, _ in tags]
    assert names.count("img") == 5
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


def test_the_report_shows_all_there_is_and_leaves_out_what_there_is_not():
    html = report(record())
    for shown in ("1,200", "24.5", "24 to 25", "300×400", "#0000ff", "&lt;b&gt;.png", "a|b"):  # noqa: RUF001
        assert shown in html
    pictured = ("Pictures", "Odd images and near-duplicates", "Suspected copies", "Curves", "Latents")
    for heading in (*pictured, "All metrics", "Data", "Parameters"):
        assert f">{heading}</h2>" in html
    bare = report(record(metrics={"elbo": -5.0}, curves={}, units=[], pictures={}))
    for heading in (*pictured, "All metrics"):
        assert f">{heading}</h2>" not in bare
    Tags(bare)


def test_pictures_of_any_size_are_shown_and_what_is_none_is_refused_by_its_name():
    for side in (16, 16_384):
        pixels = np.random.default_rng(side).integers(0, 256, (2, side, 3), np.uint8)
        html = report(record(pictures={"samples": encode_png(pixels)}))
        [content] = re.findall(r'src="data:image/\w+;base64,([^"]*)"', html)
        assert np.array_equal(flatten(decode(base64.b64decode(content)), (0, 0, 0)), pixels)
    for content in (b"", b"text", encode_png(pixels)[:100]):
        with pytest.raises(BadInput, match=r"^strange\.png: "):
            report(record(pictures={"strange": content}))


HOSTILE = "<script> & 'this' \"that\" {{ 7 * 7 }}"


def with_name(name: str) -> Record:
    """A record with a name wherever somebody outside may have chosen one."""
    estimate = {"value": 1.0, "low": 0.5, "high": 1.5, "n": 3}
    return record(
        metrics={name: 1.0, "with_intervals": {name: {name: {name: estimate}, "draws": 2}}},
        data=Data({"training": 3, "held_out": 2, name: 1}, None, {name: name}, {name: 3}),
        parameters={"model": {"latent_dim": 2}, name: {name: name}},
        curves={name: {name: [(0.0, 1.0), (1.0, 2.0)]}},
        pictures={name: encode_png(np.zeros((4, 4, 3), np.uint8))},
    )


def test_names_reasons_and_parameters_are_text_whatever_is_in_them():
    harmless, hostile = (Tags(report(with_name(name))) for name in ("nothing", HOSTILE))
    assert [(tag, list(attributes)) for tag, attributes in hostile.found] == [
        (tag, list(attributes)) for tag, attributes in harmless.found
    ]
    assert hostile.text.lower().count(HOSTILE.lower()) == harmless.text.lower().count("nothing") >= 10


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    levels = np.frombuffer(bytes.fromhex(colour), np.uint8) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: int):
    """WCAG 2.2, 1.4.3: a contrast of 4.5 at least."""
    style = (ROOT / "stages" / "imagevae" / "report" / "style.css").read_text()
    colours = {
        name: found[scheme]
        for name in ("paper", "card", "ink", "quiet", "link", "first", "second")
        if (found := re.findall(rf"--{name}: #(\w+);", style))
    }
    for text in ("ink", "quiet", "link", "first", "second"):
        for ground in ("paper", "card"):
            dark, light = sorted(luminance(colours[name]) for name in (text, ground))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)
