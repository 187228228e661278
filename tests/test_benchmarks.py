"""The benchmarks run, over a few images; what they measure is for `make bench`."""

import os
import subprocess
import sys

import pytest

from conftest import ROOT


@pytest.mark.slow
def test_the_benchmarks_run():
    command = [sys.executable, "tests/benchmarks/bench.py", "--scale", "0.001", "--repeats", "1"]
    environment = {**os.environ, "PYTHONPATH": f"tests{os.pathsep}stages"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for title in ("RGBA PNGs of 1280x1280", "JPEG photographs", "one edited", "Peak memory"):
        assert title in result.stdout
