"""Networks in ONNX give what Keras gives, to a level of 255, and hold nothing that draws random numbers."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from conftest import assert_refused, results, run_here, run_stage
from imagevae.model.archive import load_model, save_model
from imagevae.model.coding import decode_in_batches, encode
from imagevae.model.vae import VAE
from pages import FENCE

pytestmark = pytest.mark.extras

NAMES = ("decoder", "encoder", "sampler")
SIZE = 16


def random_model(network: str, sampler: str, **settings: object) -> VAE:
    """A model with random weights everywhere, also where training starts from zeros."""
    model = VAE(
        size=SIZE, network=network, latent_dim=32, width=4, sampler=sampler, densities={sampler: 0.0}, **settings
    )
    noise = np.random.default_rng(0)
    for weight in [
        *model.encoder.weights,
        *model.decoder.weights,
        *model.flow.network.weights,
        *model.flow.guide.weights,
    ]:
        weight.assign(noise.normal(0, 0.3 / np.sqrt(max(1, np.prod(weight.shape[:-1]))) ** 0.5, weight.shape))
    model.flow.standardise(noise.normal(0, 0.1, 32), noise.uniform(0.5, 2, 32))
    model.flow.group(noise.normal(0, 1, (3, 32)), np.array([0.5, 0.2, 0.3]), np.array([0, 1, 1]))
    model.flow.strength.assign(0.7)
    [count] = model.mixture.shares.shape
    factors = noise.uniform(0.1, 0.5, model.mixture.factors.shape)
    factors = np.tril(factors) if factors.ndim == 3 else factors
    model.mixture.set(np.full(count, 1 / count), noise.normal(0, 0.5, (count, 32)), factors)
    return model


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "sampler", "settings"),
    [
        ("spatial", "flow", {}),
        ("vector", "flow", {}),
        ("mlp", "flow", {"labels": "folders", "classes": ["round", "tall"]}),
        ("spatial", "normal", {}),
        ("vector", "mixture", {"components": 3, "covariance": "full"}),
        ("mlp", "mixture", {"components": 2, "covariance": "diag"}),
    ],
)
def test_networks_give_what_keras_gives(network: str, sampler: str, settings: dict, tmp_path: Path):
    save_model(random_model(network, sampler, **settings), tmp_path / "vae.keras")
    made = tmp_path / "elsewhere"
    fitting = ("--fit", "crop", "--background", "#0000ff")
    result = run_here("explore", "export", "--model", tmp_path / "vae.keras", "--output", made, *fitting)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    about = json.loads((made / "model.json").read_text())
    assert about["preprocessing"] == {"fit": "crop", "background": [0, 0, 255]}
    model = load_model(tmp_path / "vae.keras")
    sessions = {name: onnxruntime.InferenceSession(made / f"{name}.onnx") for name in NAMES}
    for name, session in sessions.items():
        for put, entries in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
            assert {entry.name: entry.shape for entry in entries} == {
                name: entry["shape"] for name, entry in about["networks"][name][put].items()
            }
    noise = np.random.default_rng(1)
    for count in (1, 5):
        images = noise.integers(0, 256, (count, SIZE, SIZE, 3), np.uint8)
        [z] = sessions["encoder"].run(None, {"images": images})
        assert z == pytest.approx(encode(model, images).z_mean, abs=1e-4)
        inputs = {
            "noise": noise.standard_normal((count, 32), np.float32),
            "choice": noise.random(count, np.float32),
            "guidance": np.full(count, 1.5, np.float32),
        }
        assert_alike(sessions["decoder"].run(None, {"z": z})[0], model, z)
        for number, label in enumerate([*model.classes, None]):
            inputs["label"] = np.full(count, -1 if label is None else number)
            taken = {entry.name: inputs[entry.name] for entry in sessions["sampler"].get_inputs()}
            drawn = model.priors[sampler].sample(inputs["noise"], inputs["choice"], guidance=1.5, label=label)
            assert_alike(sessions["sampler"].run(None, taken)[0], model, drawn)


def assert_alike(found: np.ndarray, model: VAE, latents: np.ndarray) -> None:
    expected = np.stack(list(decode_in_batches(model, latents)))
    assert found.dtype == np.uint8
    assert expected.std() > 5
    assert np.abs(found.astype(int) - expected).max() <= 1


def op_types(graph: onnx.GraphProto) -> Iterator[str]:
    """Of the nodes of a graph, and of the graphs within these."""
    for node in graph.node:
        yield node.op_type
        for attribute in node.attribute:
            yield from op_types(attribute.g)


@pytest.mark.slow
def test_the_same_model_gives_the_same_files_which_draw_nothing_and_explain_themselves(
    model_file: Path, tmp_path: Path
):
    words = ("export", "--model", model_file, "--output")
    assert run_here("explore", *words, tmp_path / "here").returncode == 0
    result = run_stage("explore", *words, tmp_path / "apart", env={**os.environ, "PYTHONHASHSEED": "1"})
    assert (result.returncode, result.stderr) == (0, "")
    assert results(tmp_path / "here") == results(tmp_path / "apart")
    assert set(results(tmp_path / "here")) == {*(f"{name}.onnx" for name in NAMES), "model.json", "README.md"}
    for name in NAMES:
        model = onnx.load(tmp_path / "here" / f"{name}.onnx")
        onnx.checker.check_model(model, full_check=True)
        kinds = set(op_types(model.graph))
        assert "MatMul" in kinds or "Conv" in kinds
        assert not {kind for kind in kinds if "Random" in kind or kind in ("Bernoulli", "Multinomial", "Dropout")}
    [(_, code)] = FENCE.findall((tmp_path / "here" / "README.md").read_text())
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "here", capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert {"sample.png", "rebuilt.png"} <= set(results(tmp_path / "here"))


def test_what_is_not_installed_is_named(model_file: Path, tmp_path: Path):
    (tmp_path / "tf2onnx.py").write_text("raise ImportError")
    words = ("export", "--model", model_file, "--output", tmp_path / "x")
    result = run_stage("explore", *words, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert_refused(result, "tf2onnx", "requirements-onnx.txt")
    assert not (tmp_path / "x").exists()
