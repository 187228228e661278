"""The model card: the same bytes for the same record, Markdown that any reader of Markdown understands."""

import importlib
import re
import shlex
from html import unescape

import click
import pytest
import yaml
from markdown_it import MarkdownIt

from example_run import record
from imagevae.report.model_card import model_card
from imagevae.report.record import Data


def test_the_model_card_is_markdown_with_front_matter_and_whole_tables():
    card = model_card(record())
    assert card == model_card(record())
    _, front, text = card.split("---\n", 2)
    assert yaml.safe_load(front)["library_name"] == "keras"
    for shown in ("1,200", "24.5", "24 to 25", "300×400", "#0000ff", "a\\|b", "evaluate/samples.png", "## Limits"):  # noqa: RUF001
        assert shown in text
    for rows in re.findall(r"(?:^\|.*\|\n)+", text, flags=re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", row)) for row in rows.splitlines()}
        assert len(cells) == 1, rows


def test_the_commands_of_the_model_card_are_understood():
    lines = re.findall(r"^\$ python stages/(\w+)\.py (.*)$", model_card(record()), flags=re.MULTILINE)
    assert [script for script, _ in lines] == ["sample", "explore", "explore"]
    for script, line in lines:
        command, words = importlib.import_module(script).main, shlex.split(line)
        if isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        command.make_context(script, words)  # raises where flags or values are wrong, or missing


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "`</code><b>`", "a\n# b", "\\<i>"]
)
def test_names_and_values_are_text_whatever_is_in_them(name: str):
    """As those of parameters, factors, and networks that samples are compared by."""
    estimate = {"value": 1.0, "low": 0.5, "high": 1.5, "n": 3}
    card = model_card(
        record(
            metrics={name: 1.0, "with_intervals": {name: {name: {name: estimate}, "draws": 2}}},
            data=Data({"training": 3, "held_out": 2, name: 1}, None, {name: name}, {name: 3}),
            parameters={"model": {"latent_dim": 2}, "train": {name: name}},
        )
    )
    shown = MarkdownIt("commonmark").enable("table").render(card.split("---\n", 2)[2])
    allowed = "h1 h2 h3 p ul li table thead tbody tr th td code pre img"
    assert set(re.findall(r"<(\w+)", shown)) <= set(allowed.split())
    assert shown.count("<img") == 2
    assert "href" not in shown
    assert shown.count("<h1") == 1
    assert unescape(shown).count(" ".join(name.split())) >= 5


def test_a_model_of_classes_names_them_and_says_how_to_draw_of_one():
    data = Data({"training": 3, "held_out": 2}, None, {}, {"cat": 1200, "a|b": 2})
    card = model_card(record(data=data))
    assert "- Classes, with training images of each: cat (1,200) and a|b (2)\n" in card
    assert "--label NAME" in card
    assert "--label" not in model_card(record())
