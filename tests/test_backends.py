"""The stages on JAX: as repeatable as on TensorFlow, and models go from one to the other."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from audit import at_moment
from conftest import ON_JAX, ROOT, on, run_stage, train_outputs, tree

pytestmark = pytest.mark.extras


def pictures(folder: Path) -> np.ndarray:
    return np.stack([cv2.imread(str(file)) for file in sorted(folder.glob("*.png"))]).astype(int)


@pytest.mark.slow
def test_a_training_on_jax_repeats_itself_after_a_kill(squares: Path, trained_on_jax: Path, tmp_path: Path):
    words = ("--input", squares, *train_outputs(tmp_path / "outputs"), *ON_JAX)
    kill = at_moment(tmp_path / "hook", "train", "vae.npz.partial", 3, "os.kill(os.getpid(), 9)")
    killed = run_stage("train", *words, env=on("jax") | kill)
    assert killed.returncode == -signal.SIGKILL
    last = run_stage("train", *words, env=on("jax"))
    assert last.returncode == 0, last.stderr
    assert "goes on after epoch 2" in last.stderr
    assert tree(tmp_path / "outputs") == tree(trained_on_jax)


@pytest.mark.slow
def test_a_model_trained_on_jax_draws_the_same_samples_on_tensorflow(trained_on_jax: Path, tmp_path: Path):
    for backend in ("tensorflow", "jax"):
        places = ("--model", trained_on_jax / "model" / "vae.keras", "--output", tmp_path / backend)
        result = run_stage("sample", *places, "--count", 20, "--sampler", "flow", env=on(backend))
        assert result.returncode == 0, result.stderr
    assert np.abs(pictures(tmp_path / "tensorflow") - pictures(tmp_path / "jax")).max() <= 1


@pytest.mark.slow
def test_a_model_trained_on_tensorflow_is_evaluated_the_same_on_jax(squares: Path, model_file: Path, tmp_path: Path):
    found = []
    for backend in ("tensorflow", "jax"):
        places = ("--model", model_file, "--images", squares, "--samples", squares, "--output", tmp_path / "found.json")
        result = run_stage("evaluate", *places, "--networks", 1, "--draws", 2, env=on(backend))
        assert result.returncode == 0, result.stderr
        found.append(json.loads((tmp_path / "found.json").read_text())["with_intervals"])
    for section, metric, of in (
        ("latents", "model", "kl"),
        ("reconstruction", "model", "ssim"),
        ("random_features", "fd", "noise"),
        ("random_features", "kid", "mean_image"),
        ("random_features", "coverage", "samples"),
        ("memorisation", "memorised", "samples"),
    ):
        tensorflow, jax = (one[section][metric][of]["value"] for one in found)
        assert jax == pytest.approx(tensorflow, rel=1e-3)


HELD = """
import sys
sys.path[:0] = sys.argv[1:]
from imagevae.model.backend import start_keras
start_keras(0)
import jax, keras, numpy
from imagevae.training.batches import Batches
from imagevae.model.vae import VAE
pictures = numpy.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), numpy.uint8)
for images in (pictures, jax.device_put(pictures)):
    model = VAE(size=8, network="vector", latent_dim=4, width=4)
    model.compile(optimizer=keras.optimizers.Adam(0.01))
    model.fit(Batches(images, 8, 0, flip=True, shift=2), epochs=2, shuffle=False, verbose=0)
    print(hash(b"".join(weight.tobytes() for weight in model.get_weights())))
"""


def test_images_that_a_device_holds_train_the_same_model():
    command = [sys.executable, "-c", HELD, str(ROOT / "stages")]
    ran = subprocess.run(command, env={**on("jax"), "PYTHONHASHSEED": "0"}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    in_memory, on_device = ran.stdout.split()
    assert on_device == in_memory
