"""The benchmarks run, over a few images; what they measure is for `make bench`."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

FOLDER = ROOT / "tests" / "benchmarks"


@pytest.mark.slow
@pytest.mark.endurance
def test_the_benchmarks_run():
    command = [sys.executable, "tests/benchmarks/bench.py", "--scale", "0.001", "--repeats", "1"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # as `make bench` has it
    environment = {**os.environ, "PATH": path, "PYTHONPATH": f"tests{os.pathsep}stages"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for title in ("RGBA PNGs of 1280x1280", "JPEG photographs", "one edited", "Peak memory"):
        assert title in result.stdout


@pytest.mark.parametrize(
    "script", [*FOLDER.glob("*.py"), FOLDER / "peers" / "speed_keras.py"], ids=lambda script: script.stem
)
def test_the_scripts_find_what_they_import(script: Path, monkeypatch: pytest.MonkeyPatch):
    """Those that need no other libraries than the tests."""
    monkeypatch.setattr(sys, "path", [str(script.parent), *sys.path])
    runpy.run_path(str(script), run_name="imported")
