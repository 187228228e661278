"""A training gives the same bytes whatever kernels NumPy's BLAS picks for the processor."""

import platform
from pathlib import Path

import pytest

from conftest import Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.endurance,
    pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the kernels named are those of x86-64"),
]


def test_models_and_pictures_do_not_depend_on_the_kernels_of_blas(reproduced: Project, tmp_path: Path):
    """Those of Prescott add up in another order than those that are picked, and run on every x86-64."""
    clone = reproduced.copy_to(tmp_path / "clone")
    clone.environment["OPENBLAS_CORETYPE"] = "Prescott"
    clone.dvc("repro", "--single-item", "--force", "--no-run-cache", "train")
    assert clone.digests() == reproduced.digests()
    assert "data/model" in clone.digests()
