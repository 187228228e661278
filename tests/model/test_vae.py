"""The model: shapes for all sizes, its seed, what training does to it, and that saving loses nothing."""

import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from conftest import as_images
from imagevae.model.archive import load_model, save_model
from imagevae.model.networks import grid_levels
from imagevae.model.vae import VAE
from imagevae.training.batches import Batches


def images(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def small(**settings: object) -> VAE:
    """A model with two latents, of the ELBO."""
    return VAE(
        **{"size": 8, "network": "vector", "latent_dim": 2, "width": 4, "kl_weight": 1.0, "texture_weight": 0.0}
        | settings
    )


def weights(model: VAE) -> list[np.ndarray]:
    return [np.asarray(weight) for weight in model.get_weights()]


def assert_equal(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("size", [8, 9, 16, 23, 33, 64, 100])
@pytest.mark.parametrize(("network", "latent_dim"), [("vector", 1), ("vector", 5), ("mlp", 3), ("spatial", None)])
def test_shapes(size: int, network: str, latent_dim: int | None):
    latent_dim = latent_dim or 2 * grid_levels(size, 4)[1] ** 2
    model = VAE(size=size, network=network, latent_dim=latent_dim, width=4)
    z_mean, z_log_sigma = model.encode(images(3, size))
    assert z_mean.shape == z_log_sigma.shape == (3, latent_dim)
    assert model.decode(z_mean).shape == (3, size, size, 3)


def test_the_seed_decides_the_weights():
    assert_equal(weights(small(seed=1)), weights(small(seed=1)))
    with pytest.raises(AssertionError):
        assert_equal(weights(small(seed=1)), weights(small(seed=2)))


def test_latents_are_drawn_around_their_means():
    noise = keras.random.SeedGenerator(0)
    z_mean, z_log_sigma = np.full((100_000, 2), (3.0, -1.0)), np.log(np.full((100_000, 2), (0.5, 2.0)))
    z = ops.convert_to_numpy(VAE.draw(ops.array(z_mean, "float32"), ops.array(z_log_sigma, "float32"), noise))
    assert z.mean(axis=0) == pytest.approx([3.0, -1.0], abs=0.05)
    assert z.std(axis=0) == pytest.approx([0.5, 2.0], abs=0.05)


def trained(seed: int = 0, texture_weight: float = 0.0) -> VAE:
    keras.utils.set_random_seed(0)
    model = small(texture_weight=texture_weight, seed=seed)
    model.compile(optimizer=keras.optimizers.Adam(0.01), jit_compile=False)
    model.fit(Batches(as_images(images(20, 8)), 6, seed), epochs=12, verbose=0)
    return model


def test_training_lowers_the_loss_and_learns_the_scale_of_the_decoder():
    model = trained()
    errors = ops.convert_to_numpy(model(images(20, 8))[0]) - images(20, 8) / 255
    assert float(model.scale) == pytest.approx(np.mean(np.abs(errors)), rel=0.5)
    before = small()
    before.compile(optimizer="adam", jit_compile=False)
    old, new = (m.evaluate(Batches(as_images(images(20, 8)), 6), verbose=0, return_dict=True) for m in (before, model))
    assert new["loss"] < old["loss"]


def test_a_texture_weight_keeps_the_grain_of_images():
    def roughness(pictures: np.ndarray) -> float:
        return float(np.abs(np.diff(pictures, axis=2)).mean())

    smooth, rough = (roughness(ops.convert_to_numpy(trained(0, weight)(images(20, 8))[0])) for weight in (0.0, 1.0))
    assert 2 * smooth < rough < roughness(images(20, 8) / 255)


def test_training_repeats_itself():
    assert_equal(weights(trained()), weights(trained()))
    with pytest.raises(AssertionError):
        assert_equal(weights(trained()), weights(trained(seed=1)))


def test_a_saved_model_is_the_same_model_in_the_same_bytes(tmp_path: Path):
    model = trained()
    save_model(model, tmp_path / "one.keras")
    save_model(trained(), tmp_path / "two.keras")
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "two.keras").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.keras") as archive:
        assert "date_saved" not in json.loads(archive.read("metadata.json"))
    loaded = load_model(tmp_path / "one.keras")
    assert loaded.settings == model.settings
    assert_equal(weights(loaded), weights(model))
    z, choice = np.random.default_rng(0).standard_normal((4, 2), np.float32), np.linspace(0, 0.9, 4, dtype=np.float32)
    assert np.array_equal(*(m.flow.sample(z, choice) for m in (model, loaded)))
    assert np.array_equal(*(ops.convert_to_numpy(m.decode(z)) for m in (model, loaded)))


@pytest.mark.parametrize(("network", "latent_dim"), [("vector", 3), ("mlp", 3), ("spatial", 64)])
def test_mixed_precision_is_of_the_networks_alone(network: str, latent_dim: int, tmp_path: Path):
    """Weights, latents, pixels and losses are float32; and so is all of it once the model has been saved."""
    whole, mixed = (
        VAE(size=16, network=network, latent_dim=latent_dim, width=4, precision=precision)
        for precision in ("float32", "mixed_bfloat16")
    )
    assert_equal(weights(whole), weights(mixed))
    batch, losses = images(12, 16), []
    for model in (whole, mixed):
        model.compile(optimizer=keras.optimizers.Adam(0.001), jit_compile=False)
        losses.append(model.train_on_batch(batch, return_dict=True)["loss"])
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.01)
    assert {weight.dtype for weight in weights(mixed)} == {np.dtype("float32")}
    assert {str(output.dtype) for output in map(ops.convert_to_numpy, mixed(batch))} == {"float32"}
    save_model(mixed, tmp_path / "mixed.keras")
    loaded = load_model(tmp_path / "mixed.keras")
    assert_equal(weights(loaded), weights(mixed))
    rough = ops.convert_to_numpy(mixed.encode(batch)[0])
    exact = ops.convert_to_numpy(mixed.copy().encode(batch)[0])
    assert np.array_equal(exact, ops.convert_to_numpy(loaded.encode(batch)[0]))
    assert not np.array_equal(exact, rough)
    assert rough == pytest.approx(exact, abs=0.05)
