"""The model: its seed, its loss, what training does to it, and in which precision it computes."""

import inspect
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from conftest import as_images, flags
from imagevae.cli.errors import BadInput
from imagevae.model.archive import load_model, save_model
from imagevae.model.vae import VAE
from imagevae.training.batches import Batches


def images(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)


def small(**settings: object) -> VAE:
    """A model with two latents, of the ELBO."""
    elbo = dict(size=8, network="vector", latent_dim=2, width=4, kl_weight=1.0, texture_weight=0.0)
    return VAE(**{**elbo, **settings})


def weights(model: VAE) -> list[np.ndarray]:
    return [np.asarray(weight) for weight in model.get_weights()]


def equal(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_defaults_are_those_of_the_flags():
    """Those of the parameters that both have."""
    options = flags("train")
    defaults = {name: parameter.default for name, parameter in inspect.signature(VAE).parameters.items()}
    shared = {name: default for name, default in defaults.items() if name in options}
    assert shared == {name: options[name].default for name in shared}
    assert {"network", "latent_dim", "width", "kl_weight", "texture_weight", "held_out", "precision"} <= set(shared)


def test_the_seed_decides_the_weights():
    assert equal(weights(small(seed=1)), weights(small(seed=1)))
    assert not equal(weights(small(seed=1)), weights(small(seed=2)))


def test_latents_are_drawn_around_their_means():
    noise = keras.random.SeedGenerator(0)
    z_mean, z_log_sigma = np.full((100_000, 2), (3.0, -1.0)), np.log(np.full((100_000, 2), (0.5, 2.0)))
    z = ops.convert_to_numpy(VAE.draw(ops.array(z_mean, "float32"), ops.array(z_log_sigma, "float32"), noise))
    assert z.mean(axis=0) == pytest.approx([3.0, -1.0], abs=0.05)
    assert z.std(axis=0) == pytest.approx([0.5, 2.0], abs=0.05)


def test_the_loss_is_the_weighted_sum_of_its_terms():
    model = small(kl_weight=0.3, texture_weight=0.7)
    model.compile(optimizer="adam", jit_compile=False)
    terms = model.test_on_batch(images(6, 8), return_dict=True)
    assert min(terms.values()) > 0
    expected = terms["reconstruction"] + 0.3 * terms["kl"] + 0.7 * terms["texture"]
    assert terms["loss"] == pytest.approx(expected, rel=1e-5)


def test_images_that_do_not_count_change_nothing():
    """As parts of several processes are filled up: y is 0 for an image that is there only so that they are equal."""
    model, batch = small(texture_weight=1.0), images(6, 8)
    location, z_mean, z_log_sigma = model(batch)
    rows = np.array([0, 2, 3])
    counted = np.float32([1, 0, 1, 1, 0, 0])
    some = [ops.convert_to_numpy(part)[rows] for part in (location, z_mean, z_log_sigma)]
    one = model.compute_loss(batch, counted, (location, z_mean, z_log_sigma), training=False)
    assert float(one) == pytest.approx(float(model.compute_loss(batch[rows], None, some, training=False)), rel=1e-5)


def train(seed: int = 0, texture_weight: float = 0.0) -> VAE:
    keras.utils.set_random_seed(0)
    model = small(texture_weight=texture_weight, seed=seed)
    model.compile(optimizer=keras.optimizers.Adam(0.01), jit_compile=False)
    model.fit(Batches(as_images(images(20, 8)), 6, seed), epochs=12, verbose=0)
    return model


trained = cache(train)


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

    smooth, rough = (roughness(ops.convert_to_numpy(model(images(20, 8))[0])) for model in (trained(), trained(0, 1.0)))
    assert 2 * smooth < rough < roughness(images(20, 8) / 255)


def test_training_repeats_itself():
    assert equal(weights(trained()), weights(train()))
    assert not equal(weights(trained()), weights(train(seed=1)))


def test_a_model_takes_the_weights_of_one_of_its_shape():
    model, other = small(seed=1), small(seed=2)
    model.take_weights(other, Path("other.keras"))
    assert equal(weights(model.encoder) + weights(model.decoder), weights(other.encoder) + weights(other.decoder))
    for setting, value in (("size", 9), ("network", "mlp"), ("latent_dim", 3), ("width", 8)):
        with pytest.raises(BadInput, match=rf"other\.keras: {setting} is {value} there"):
            model.take_weights(small(**{setting: value}), Path("other.keras"))


@pytest.mark.parametrize(("network", "latent_dim"), [("vector", 3), ("mlp", 3), ("spatial", 64)])
def test_mixed_precision_is_of_the_networks_alone(network: str, latent_dim: int, tmp_path: Path):
    """Weights, latents, pixels and losses are float32; and so is all of it once the model has been saved."""
    whole, mixed = (
        small(size=16, network=network, latent_dim=latent_dim, precision=precision)
        for precision in ("float32", "mixed_bfloat16")
    )
    assert equal(weights(whole), weights(mixed))
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
    assert equal(weights(loaded), weights(mixed))
    rough = ops.convert_to_numpy(mixed.encode(batch)[0])
    exact = ops.convert_to_numpy(mixed.copy().encode(batch)[0])
    assert np.array_equal(exact, ops.convert_to_numpy(loaded.encode(batch)[0]))
    assert not np.array_equal(exact, rough)
    assert rough == pytest.approx(exact, abs=0.05)
