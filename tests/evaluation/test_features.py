"""Features: the same for the same image, from random networks and from files of either kind."""

import ast
import re
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers
from onnx import TensorProto, helper

from conftest import ROOT, as_images
from imagevae.cli.errors import BadInput
from imagevae.evaluation.distances import frechet, kernel_distance
from imagevae.evaluation.features import features, network_of, random_network
from imagevae.evaluation.trial import try_network

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


def assert_refused(file: Path, reason: str) -> None:
    """In one line, of our own words, when it is opened or run."""
    with pytest.raises(BadInput, match=reason) as refusal:
        features(network_of(file, "levels"), IMAGES, "")
    assert str(refusal.value).startswith(f"{file}: ")
    assert "\n" not in str(refusal.value)
    assert "{{" not in str(refusal.value)


@pytest.mark.parametrize("where", ["graph", "subgraph", "attribute", "sparse", "function"])
@pytest.mark.parametrize("place", ["/etc/hostname", "../secret", "beside.data"])
def test_weights_in_other_files_are_refused_wherever_the_network_has_them(where: str, place: str, tmp_path: Path):
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], [0.0])
    tensor.ClearField("float_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    (tmp_path / "beside.data").write_bytes(bytes(4))
    model = onnx.load(onnx_network(tmp_path / "network.onnx", ["n", 3, 8, 8], ["n", 3, 1, 1], "GlobalAveragePool"))
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    if where == "graph":
        model.graph.initializer.append(tensor)
    elif where == "subgraph":
        inner = helper.make_graph([], "inner", [], [], [tensor])
        model.graph.node.append(helper.make_node("If", ["x"], ["z"], then_branch=inner, else_branch=inner))
    elif where == "attribute":
        model.graph.node.append(constant)
    elif where == "sparse":
        model.graph.sparse_initializer.add().values.CopyFrom(tensor)
    else:
        opset = [helper.make_opsetid("", 13)]
        model.functions.append(helper.make_function("of.mine", "f", [], ["c"], [constant], opset))
    (tmp_path / "network.onnx").write_bytes(model.SerializeToString())
    assert_refused(tmp_path / "network.onnx", "weights lie in another file; save it as one")


def test_an_onnx_file_beyond_the_limit_of_the_format_is_not_read(tmp_path: Path):
    with open(tmp_path / "network.onnx", "wb") as file:
        file.truncate(2**31)  # a file with a hole
    assert_refused(tmp_path / "network.onnx", "larger than the 2 GiB")


@pytest.mark.parametrize(
    ("shape", "output", "operator", "reason"),
    [
        (["n", 3, 0, 0], ["n", 3, 0, 0], "Relu", "0x0 pixels"),
        ([0, 3, 8, 8], [0, 3, 8, 8], "Relu", "0 images"),
        (["n", 3, 10**6, 10**6], ["n", 3, 10**6, 10**6], "Relu", "1000000x1000000"),
        (["n", 3, 8, 8], [1, 1, 1, 1], "ReduceMax", "shape .1, 1, 1, 1. for a batch of 64"),
        (["n", 3, 8, 8], [3, "n", 8, 8], "Transpose", "shape .8, 8, 3, 64. for a batch of 64"),
        (["n", 3, 8, 8], ["n", 3, 8, 8], "Log", "infinite or no numbers"),
    ],
)
def test_networks_whose_shapes_or_numbers_are_wrong_are_refused(
    shape: list, output: list, operator: str, reason: str, tmp_path: Path
):
    assert_refused(onnx_network(tmp_path / "network.onnx", shape, output, operator), reason)


def test_keras_networks_that_give_no_numbers_or_are_not_what_their_file_bears_out_are_refused(tmp_path: Path):
    file = mean_colour([layers.GlobalAveragePooling2D(), layers.Dense(2, activation="log_softmax")], tmp_path)
    parts = {}
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}

    def write(config: bytes, kind: int = zipfile.ZIP_STORED) -> Path:
        with zipfile.ZipFile(tmp_path / "other.keras", "w", kind) as result:
            for name, content in (parts | {"config.json": config}).items():
                result.writestr(name, content)
        return tmp_path / "other.keras"

    config = parts["config.json"]
    assert_refused(write(config.replace(b'"units": 2', b'"units": 2000000000')), "can't lie in so small a file")
    assert_refused(write(config, zipfile.ZIP_DEFLATED), "compressed")
    assert_refused(write(config.replace(b'"GlobalAveragePooling2D"', b'"Lambda"')), "code of others")
    assert_refused(write(config.replace(b'"log_softmax"', b'"no_such_function"')), "damaged")
    broken = keras.Sequential([layers.Input((8, 8, 3)), layers.GlobalAveragePooling2D(), layers.Dense(2)])
    broken.set_weights([np.full((3, 2), np.nan), np.zeros(2)])
    broken.save(tmp_path / "broken.keras")
    assert_refused(tmp_path / "broken.keras", "infinite or no numbers")


@settings(max_examples=100, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 10**4), st.integers(0, 255)), max_size=4), end=st.integers(0, 300))
def test_onnx_files_with_any_bytes_changed_are_refused_or_run(changes: list, end: int, tmp_path: Path):
    file = onnx_network(tmp_path / "network.onnx", ["n", 3, 8, 8], ["n", 3, 1, 1], "GlobalAveragePool")
    content = bytearray(file.read_bytes())
    for place, value in changes:
        content[place % len(content)] = value
    file.write_bytes(content[: len(content) - end % 7])
    try:
        network = network_of(file, "levels")
        vectors = network.apply(np.zeros((network.batch, network.size, network.size, 3), np.float32))
    except BadInput:
        return
    assert np.isfinite(vectors).all()


@pytest.mark.slow
def test_a_network_without_end_is_refused(tmp_path: Path):
    state = [helper.make_tensor_value_info("s", TensorProto.FLOAT, None)]
    going = helper.make_tensor_value_info("going", TensorProto.BOOL, [])
    count = helper.make_tensor_value_info("i", TensorProto.INT64, [])
    nodes = [helper.make_node("Identity", ["go"], ["going"]), helper.make_node("Identity", ["in"], ["s"])]
    inputs = [helper.make_tensor_value_info("in", TensorProto.FLOAT, None)]
    body = helper.make_graph(
        nodes, "body", [count, helper.make_tensor_value_info("go", TensorProto.BOOL, []), *inputs], [going, *state]
    )
    true = helper.make_tensor("true", TensorProto.BOOL, [], [True])
    graph = helper.make_graph(
        [helper.make_node("Loop", ["", "true", "x"], ["y"], body=body)],
        "endless",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [true],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, tmp_path / "endless.onnx")
    onnxruntime.InferenceSession((tmp_path / "endless.onnx").read_bytes())  # is a network
    with pytest.raises(BadInput, match=r"endless\.onnx: .* more than 5 seconds"):
        try_network(tmp_path / "endless.onnx", "levels", seconds=5)


def test_what_another_process_refuses_is_refused_and_the_rest_is_not(tmp_path: Path):
    try_network(onnx_network(tmp_path / "fine.onnx", ["n", 3, 8, 8], ["n", 3, 1, 1], "GlobalAveragePool"), "levels")
    nothing = onnx_network(tmp_path / "nothing.onnx", ["n", 3, 8, 8], ["n", 3, 8, 8], "Log")
    with pytest.raises(BadInput, match=r"nothing\.onnx: it gives features that are infinite"):
        try_network(nothing, "levels")


LOADING = re.compile(r"keras\.(saving|models)\.(load_model|deserialize_\w+|model_from_json)")


def test_networks_are_never_loaded_without_safe_mode():
    """Keras's `load_model` says it explicitly wherever it is called."""
    for file in (ROOT / "stages").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and LOADING.fullmatch(ast.unparse(node.func)):
                assert "safe_mode=True" in ast.unparse(node), file


def test_a_missing_onnxruntime_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # what makes `import onnxruntime` fail
    (tmp_path / "network.onnx").write_bytes(b"any")
    with pytest.raises(BadInput, match=r"network\.onnx: .*requirements-onnx\.txt"):
        network_of(tmp_path / "network.onnx", "levels")
