"""The command line of each script: it explains itself at once, and refuses what makes no sense in one line."""

import subprocess
import sys
from pathlib import Path

import click
import pytest

import explore
from conftest import ROOT, STAGES, assert_refused, flags, run_here

COMMANDS = [*((stage, "") for stage in STAGES), *(("explore", name) for name in explore.main.commands)]
every_command = pytest.mark.parametrize(("script", "command"), COMMANDS, ids=lambda name: name)

HELP = """
import sys, runpy
sys.argv = [{script!r}, *{words!r}, "--help"]
sys.path.insert(0, "stages")
try:
    runpy.run_path({script!r}, run_name="__main__")
except SystemExit as end:
    assert end.code == 0
assert not {{"tensorflow", "keras", "cv2", "numpy", "PIL", "dvclive"}} & set(sys.modules)
"""


def help_of(script: str, *words: str) -> str:
    """What `--help` prints, where nothing heavy was loaded for it."""
    code = HELP.format(script=f"stages/{script}.py", words=words)
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


@every_command
def test_help_explains_each_flag_without_loading_anything_heavy(script: str, command: str):
    shown = help_of(script, *filter(None, [command]))
    for name, option in flags(script, command).items():
        assert f"--{name} " in shown
        assert option.help
        assert option.type.name not in ("integer", "float"), f"{name} has no range"


def test_help_names_the_commands_of_a_group():
    shown = help_of("explore")
    for name, command in explore.main.commands.items():
        assert f"  {name} " in shown
        assert command.help
    alone = run_here("explore")
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "Commands:" in alone.stderr


def test_a_terminal_obeys_nothing_that_stands_in_an_error(tmp_path: Path):
    """Names come from others, in archives say."""
    result = run_here("rgba2rgb", "--input", tmp_path / "\x1b[2J\x9b\u202eä", "--output", tmp_path / "out")
    assert_refused(result, "\\x1b[2J\\x9b\\u202eä: No such file")
    assert result.stderr.rstrip("\n").isprintable()


@every_command
def test_a_wrong_command_line_is_refused_in_one_line(script: str, command: str, tmp_path: Path):
    before = list(filter(None, [command]))
    assert_refused(run_here(script, *before), "Missing")
    assert_refused(run_here(script, *before, "--nonsense", 1), "--nonsense")
    options = flags(script, command)
    paths = [word for name, option in options.items() if option.required for word in (f"--{name}", tmp_path / name)]
    if command in ("interpolate", "direction"):
        paths += [tmp_path / "a.png", tmp_path / "b.png"]
    if command == "vary":
        paths += [tmp_path / "a.png"]
    for name, option in options.items():
        if isinstance(option.type, click.Path) or option.type is click.STRING:  # of which any may be there
            continue
        for value in ("nonsense", "-1", "nan", "inf", "1e99"):
            if value == "-1" and option.type.name == "colour":
                value = "#12345"
            assert_refused(run_here(script, *before, *paths, f"--{name}={value}"), f"--{name}")
    assert list(tmp_path.iterdir()) == []
