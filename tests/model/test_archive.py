"""Saved models: nothing is lost, the same model gives the same bytes, and what is no model of ours is refused."""

import io
import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from imagevae.cli.errors import BadInput
from imagevae.model.archive import load_model, save_model
from imagevae.model.vae import VAE

SETTINGS = dict(size=8, network="vector", latent_dim=2, width=4, kl_weight=0.25, held_out=0.2, seed=3)
FITTED = dict(sampler="flow", densities={"normal": -2.0, "flow": -1.0}, components=2, training={"epochs": 3})


def built() -> VAE:
    """A model of random weights, those of its distributions among them."""
    model, noise = VAE(**SETTINGS, **FITTED), np.random.default_rng(0)
    model.set_weights([weight + 0.1 * noise.random(weight.shape, np.float32) for weight in model.get_weights()])
    return model


def test_a_saved_model_is_the_same_model(tmp_path: Path):
    model = built()
    save_model(model, tmp_path / "one.keras")
    loaded = load_model(tmp_path / "one.keras")
    assert loaded.settings == model.settings
    assert all(np.array_equal(a, b) for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True))
    z, choice = np.random.default_rng(0).standard_normal((4, 2), np.float32), np.linspace(0, 0.9, 4, dtype=np.float32)
    for name in ("mixture", "flow"):
        one, other = (m.priors[name].sample(z, choice) for m in (model, loaded))
        assert np.isfinite(one).all()
        assert np.array_equal(one, other)
    assert np.array_equal(*(ops.convert_to_numpy(m.decode(z)) for m in (model, loaded)))


def test_the_same_model_gives_the_same_bytes_whatever_was_built_before(tmp_path: Path):
    for name in ("one.keras", "two.keras"):
        save_model(built(), tmp_path / name)
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "two.keras").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.keras") as archive:
        assert "date_saved" not in json.loads(archive.read("metadata.json"))


def renamed(model: bytes, kind: str, other: str) -> bytes:
    """A saved model whose class is registered under another name."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(model)) as archive, zipfile.ZipFile(result, "w") as changed:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "config.json":
                assert f"imagevae>{kind}".encode() in content
                content = content.replace(f"imagevae>{kind}".encode(), f"imagevae>{other}".encode())
            changed.writestr(name, content)
    return result.getvalue()


def test_damaged_and_foreign_models_are_refused(tmp_path: Path):
    save_model(built(), tmp_path / "whole.keras")
    content = (tmp_path / "whole.keras").read_bytes()
    keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "network.keras")
    files = {
        "missing.keras": None,
        "empty.keras": b"",
        "cut.keras": content[: len(content) // 2],
        "flipped.keras": content[:5000] + bytes([content[5000] ^ 255]) + content[5001:],
        "foreign.keras": (tmp_path / "network.keras").read_bytes(),
        "gaussian.keras": renamed(content, "LaplaceVAE", "VAE"),  # as models with a Gaussian decoder were saved
    }
    for name, content in files.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=rf"{name}: (no such file|not a model)"):
            load_model(tmp_path / name)
