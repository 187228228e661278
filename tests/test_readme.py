"""The README says what is so: its figures are those of the committed run, its links lead somewhere."""

import importlib
import json
import re

from conftest import ROOT

README = (ROOT / "README.md").read_text()


def test_its_figures_are_those_of_the_committed_run():
    rows = dict(re.findall(r"^\| `(\w+)` \| ([-\d.e]+) \|", README, flags=re.MULTILINE))
    metrics = json.loads((ROOT / "metrics" / "evaluate.json").read_text())
    headlines = {name: value for name, value in metrics.items() if not isinstance(value, dict)}
    assert {name: float(value) for name, value in rows.items()} == headlines


def test_its_links_and_pictures_are_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_its_flags_exist():
    for stage, flags in re.findall(r"^\$ python stages/(\w+)\.py (.*)$", README, flags=re.MULTILINE):
        known = {name for option in importlib.import_module(stage).main.params for name in option.opts}
        assert set(re.findall(r"--\w+", flags)) <= known, stage
