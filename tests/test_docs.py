"""The README and the pages of docs say what is so: links lead somewhere, commands are understood, figures are true."""

import importlib
import json
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from conftest import PARAMS, ROOT, STAGES
from pages import FENCE

README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md")), ROOT / "data" / "README.md"]
METRICS = json.loads((ROOT / "metrics" / "evaluate.json").read_text())

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """What links to the headings of a page end in, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    slugs = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
    assert len(set(slugs)) == len(slugs), f"{page}: two headings alike"
    return set(slugs)


def kept_in_git() -> set[Path]:
    """The files that git has or would add, and the folders that they are in."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    files = {ROOT / name for name in names if name and (ROOT / name).exists()}
    return files | {folder for file in files for folder in file.parents}


@every_page
def test_links_and_pictures_lead_somewhere(page: Path):
    there = kept_in_git()
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file in there, target
        assert not anchor or anchor in anchors(file), target


def test_the_readme_leads_to_each_page_and_is_short():
    linked = set(re.findall(r"\]\(([^)#\s]+)", prose(README)))
    assert {page.relative_to(ROOT).as_posix() for page in PAGES[1:]} <= linked
    assert len(README.read_text().splitlines()) <= 150


def command_lines(page: Path) -> list[tuple[str, list[str]]]:
    """The command lines of scripts in a page's console blocks: name of the script and words. Three dots stand for what
    dvc.yaml has there."""
    console = "\n".join(code for kind, code in FENCE.findall(page.read_text()) if kind == "console")
    found = []
    for script, line in re.findall(r"^\$ .*?python stages/(\w+)\.py (.*)$", console, flags=re.MULTILINE):
        words = shlex.split(line, comments=True)
        if words[0] == "…":
            words[:1] = shlex.split(STAGES[script]["cmd"])[2:-1]
        found.append((script, words))
    return found


@every_page
def test_command_lines_are_understood(page: Path):
    for script, words in command_lines(page):
        command = importlib.import_module(script).main
        if isinstance(command, click.Group):
            name, *words = words
            assert name in command.commands, (script, name)
            command = command.commands[name]
        command.make_context(script, list(words))  # raises where flags or values are wrong, or missing


def test_each_script_and_command_is_shown():
    shown = {
        (script, words[0] if script == "explore" else "") for page in PAGES for script, words in command_lines(page)
    }
    commands = {("explore", name) for name in importlib.import_module("explore").main.commands}
    assert shown == {(stage, "") for stage in STAGES} | commands


@every_page
def test_code_that_is_named_is_there(page: Path):
    """Paths of modules are those from the top, or inside one of some folders; parameters are those of params.yaml."""
    homes = [ROOT / home for home in ("", "stages", "stages/imagevae", "tests", "tests/benchmarks")]
    for code in re.findall(r"`([^`]+)`", prose(page)):
        for name in re.findall(r"(?<![\w/.*])[\w/]+\.py\b", code):
            assert name == "stages/NAME.py" or any((home / name).is_file() for home in homes), name
        for section, name in re.findall(r"^(\w+)\.(?!py$|csv$|main$)(\w+)$", code):
            assert section not in PARAMS or name in PARAMS[section], code


def test_parameters_have_the_defaults_of_params_yaml():
    rows = re.findall(r"^\| `(\w+)\.(\w+)` \| (\S+) \|", README.read_text(), flags=re.MULTILINE)
    assert rows
    for section, name, default in rows:
        assert default == str(PARAMS[section][name]), name


def test_wings_are_read_by_the_stages_that_depend_on_them():
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([\w, ]+) \|$", README.read_text(), flags=re.MULTILINE)
    assert {wing for wing, _ in rows} == {file.parent.name for file in (ROOT / "stages" / "imagevae").glob("*/*.py")}
    for wing, readers in rows:
        path = f"stages/imagevae/{wing}"
        found = {stage for stage, declared in STAGES.items() if any(dep.startswith(path) for dep in declared["deps"])}
        assert found == (set(STAGES) if readers == "all" else set(readers.split(", ")) - {"explore"}), wing


def figures() -> list[tuple[str, str, str]]:
    """The rows of the table of figures: metric, value, what it is."""
    table = (ROOT / "docs" / "metrics.md").read_text()
    return re.findall(r"^\| `(\w+)` \| ([-\d.e]+) \| (.*) \|$", table, flags=re.MULTILINE)


def test_figures_are_those_of_the_committed_run():
    headlines = {name: value for name, value in METRICS.items() if not isinstance(value, dict)}
    assert {name: float(value) for name, value, _ in figures()} == headlines


def test_what_figures_are_compared_with_is_of_the_committed_run():
    sections = METRICS["with_intervals"]
    beside = {"real images": "training_images", "the mean image": "mean_image"}
    seen = 0
    for name, _, text in figures():
        for number, images in re.findall(rf"([\d.]+) for ({'|'.join(beside)})", text):
            exact = sections["random_features"][name.removesuffix("_random")][beside[images]]["value"]
            assert number == f"{exact:#.2g}", (name, images)
            seen += 1
    assert seen == 7
    [c_t] = [float(number) for _, _, text in figures() for number in re.findall(r"C_T is (-?[\d.]+)", text)]
    assert c_t == round(sections["memorisation"]["c_t"]["samples"]["value"], 1)
