"""Features: the same for the same image, from random networks and from files of either kind."""

import sys
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from keras import layers
from onnx import TensorProto, helper

from conftest import as_images
from imagevae.cli.errors import BadInput
from imagevae.evaluation.distances import frechet, kernel_distance
from imagevae.evaluation.features import features, network_of, random_network

IMAGES = np.random.default_rng(0).integers(0, 256, (70, 8, 8, 3), np.uint8)


def test_random_networks_differ_by_seed_alone():
    one, same, other = (features(random_network(8, seed), IMAGES, "") for seed in (1, 1, 2))
    assert (one == same).all()
    assert one.shape == other.shape
    assert not np.allclose(one, other)


def test_features_of_an_image_do_not_depend_on_the_others():
    network = random_network(8, 0)
    assert (features(network, as_images(IMAGES), "")[60:] == features(network, IMAGES[60:], "")).all()


@pytest.mark.parametrize("distance", [frechet, kernel_distance])
@pytest.mark.parametrize("seed", range(3))
def test_noise_on_images_moves_random_features_away_step_by_step(distance, seed: int):
    noise = np.random.default_rng(0)
    smooth = noise.integers(0, 256, (400, 4, 4, 3)).repeat(4, axis=1).repeat(4, axis=2)
    real, fake = smooth[:200], smooth[200:]
    network, added = random_network(16, seed), noise.normal(size=fake.shape)
    levels = [np.clip(fake + scale * added, 0, 255).astype(np.uint8) for scale in (0, 20, 40, 80)]
    judged = features(network, real.astype(np.uint8), "")
    values = [distance(judged, features(network, images, "")).value for images in levels]
    assert values == sorted(values)


def mean_colour(layers_: list, folder: Path) -> Path:
    keras.Sequential([layers.Input((8, 8, 3)), *layers_]).save(folder / "network.keras")
    return folder / "network.keras"


def onnx_network(file: Path, shape: list, output: list, operator: str, kind: int = TensorProto.FLOAT) -> Path:
    """One operator on the input."""
    nodes = [helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT), helper.make_node(operator, ["f"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), file)
    return file


RANGED = {
    "levels": lambda x: x,
    "unit": lambda x: x / 255,
    "symmetric": lambda x: x / 127.5 - 1,
    "imagenet": lambda x: (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
}


@pytest.mark.parametrize("name", RANGED)
def test_a_keras_network_gets_pixels_in_its_range(name: str, tmp_path: Path):
    network = network_of(mean_colour([layers.GlobalAveragePooling2D()], tmp_path), name)
    expected = RANGED[name](IMAGES.mean(axis=(1, 2)))
    assert features(network, IMAGES, "") == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_maps_are_averaged_and_of_tokens_the_first_is_taken(tmp_path: Path):
    maps = features(network_of(mean_colour([layers.Identity()], tmp_path), "levels"), IMAGES, "")
    assert maps == pytest.approx(IMAGES.mean(axis=(1, 2)), rel=1e-3)
    tokens = features(network_of(mean_colour([layers.Reshape((64, 3))], tmp_path), "levels"), IMAGES, "")
    assert (tokens == IMAGES[:, 0, 0]).all()


@pytest.mark.parametrize("batch", ["n", 1, 16])
@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.UINT8])
def test_an_onnx_network_takes_channels_first_in_batches_of_its_size(batch, kind: int, tmp_path: Path):
    file = onnx_network(tmp_path / "network.onnx", [batch, 3, 8, 8], [batch, 3, 1, 1], "GlobalAveragePool", kind)
    assert features(network_of(file, "levels"), IMAGES, "") == pytest.approx(IMAGES.mean(axis=(1, 2)), rel=1e-4)


def test_images_are_scaled_to_the_size_of_the_network(tmp_path: Path):
    file = onnx_network(tmp_path / "free.onnx", ["n", 3, "h", "w"], ["n", 3, 1, 1], "GlobalAveragePool")
    flat = np.full((2, 8, 8, 3), 77, np.uint8)
    assert network_of(file, "levels").size == 224
    assert features(network_of(file, "levels"), flat, "") == pytest.approx(77)


def test_other_files_are_refused(tmp_path: Path):
    damaged, other = tmp_path / "damaged.onnx", tmp_path / "network.pt"
    damaged.write_bytes(b"not a network")
    other.write_bytes(b"not a network")
    grey = onnx_network(tmp_path / "grey.onnx", ["n", 1, 8, 8], ["n", 1, 8, 8], "Relu")
    oblong = onnx_network(tmp_path / "oblong.onnx", ["n", 3, 8, 4], ["n", 3, 8, 4], "Relu")
    for file in (damaged, other, grey, oblong):
        with pytest.raises(BadInput, match=file.name):
            network_of(file, "levels")


def test_a_missing_onnxruntime_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # what makes `import onnxruntime` fail
    (tmp_path / "network.onnx").write_bytes(b"any")
    with pytest.raises(BadInput, match=r"network\.onnx: .*requirements-onnx\.txt"):
        network_of(tmp_path / "network.onnx", "levels")
