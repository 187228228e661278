"""A training gives the same bytes whatever kernels NumPy's BLAS picks for the processor."""

import os
import platform
from pathlib import Path

import pytest

from conftest import TINY, run_stage, tree

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the kernels named are those of x86-64"),
]


def test_models_and_pictures_do_not_depend_on_the_kernels_of_blas(squares: Path, tmp_path: Path):
    """Those of Prescott and Nehalem add up in other orders, and run on every x86-64."""
    for kernels in ("Prescott", "Nehalem"):
        folder = tmp_path / kernels
        places = ("--input", squares, "--output", folder / "model" / "vae.keras", "--curves", folder / "curves")
        latents = ("--network", "spatial", "--latent_dim", 64, "--epochs", 3)
        environment = {**os.environ, "OPENBLAS_CORETYPE": kernels}
        result = run_stage("train", *places, *TINY, *latents, env=environment)
        assert result.returncode == 0, result.stderr
    assert tree(tmp_path / "Prescott") == tree(tmp_path / "Nehalem")
