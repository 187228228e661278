"""The model card: the same bytes for the same record, Markdown that any reader of Markdown understands."""

import importlib
import re
import shlex

import click
import yaml

from example_run import record
from imagevae.report.model_card import model_card


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
