"""The stages on JAX: as repeatable as on TensorFlow, and models go from one to the other."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import ON_JAX, ROOT, on, run_stage, tree
from imagevae.archive import load_model
from imagevae.dataset import read_squares, split
from imagevae.encoding import encode
from imagevae.evaluation import kl_of_units


def pictures(folder: Path) -> np.ndarray:
    return np.stack([cv2.imread(str(file)) for file in sorted(folder.glob("*.png"))]).astype(int)


@pytest.mark.slow
def test_a_training_on_jax_repeats_itself_after_a_kill(squares: Path, trained_on_jax: Path, tmp_path: Path):
    places = ("--input", squares, "--output", tmp_path / "model" / "vae.keras", "--curves", tmp_path / "curves")
    command = [sys.executable, str(ROOT / "stages" / "train.py"), *map(str, (*places, *ON_JAX))]
    process = subprocess.Popen(command, env=on("jax"), stderr=subprocess.PIPE, text=True)
    checkpoint = tmp_path / ".model.checkpoint" / "vae.keras" / "vae.npz"
    while not checkpoint.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.001)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    last = run_stage("train", *places, *ON_JAX, env=on("jax"))
    assert last.returncode == 0, last.stderr
    assert "goes on after epoch" in last.stderr
    assert tree(tmp_path) == tree(trained_on_jax)


@pytest.mark.slow
def test_a_model_trained_on_jax_draws_the_same_samples_on_tensorflow(trained_on_jax: Path, tmp_path: Path):
    for backend in ("tensorflow", "jax"):
        places = ("--model", trained_on_jax / "model" / "vae.keras", "--output", tmp_path / backend)
        result = run_stage("sample", *places, "--count", 20, "--sampler", "flow", env=on(backend))
        assert result.returncode == 0, result.stderr
    assert np.abs(pictures(tmp_path / "tensorflow") - pictures(tmp_path / "jax")).max() <= 1


@pytest.mark.slow
def test_a_model_trained_on_tensorflow_is_evaluated_on_jax(squares: Path, model_file: Path, tmp_path: Path):
    places = ("--model", model_file, "--images", squares, "--samples", squares, "--output", tmp_path / "metrics.json")
    result = run_stage("evaluate", *places, "--networks", 1, "--draws", 2, env=on("jax"))
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "metrics.json").read_text())
    model = load_model(model_file)
    held_out = split(read_squares(squares), model.held_out, squares)[1]
    kl = found["with_intervals"]["latents"]["model"]["kl"]["value"]
    assert kl == pytest.approx(kl_of_units(encode(model, held_out)).sum(axis=1).mean(), rel=1e-3)
