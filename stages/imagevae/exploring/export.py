"""A model as networks in ONNX, which run without Keras and without this code."""

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops
from numpy.typing import NDArray
from tqdm import tqdm

from imagevae.cli.errors import BadInput
from imagevae.model.flow import FlowPrior
from imagevae.model.priors import STEPS
from imagevae.model.vae import VAE
from imagevae.model.velocity import HeunStep

FORMAT = 1  # of model.json
OUTPUTS = {"encoder": ["z_mean"], "decoder": ["images"], "sampler": ["images"]}
MEANINGS = {
    "images": "levels of red, green and blue from 0 to 255, row by row from the top",
    "z_mean": "latents of the images, which the decoder takes as z",
    "z": "latents",
    "noise": "standard normal numbers; times a temperature below 1, samples are more typical and less varied",
    "choice": "uniform numbers from 0 to below 1, which choose the part of the distribution that a sample comes from",
    "label": "number of the class to draw, from 0 in the order of `classes`; -1 for any",
    "guidance": "1 is what training found right; with 0 there is none, more makes samples more typical and less varied",
}
README = """# A model of {size}x{size} images, in ONNX

`pip install onnxruntime numpy pillow`, and in Python:

```python
import numpy as np
from onnxruntime import InferenceSession
from PIL import Image

encoder, decoder, sampler = (InferenceSession(f"{{name}}.onnx") for name in ("encoder", "decoder", "sampler"))
noise = np.random.standard_normal((4, {latent_dim})).astype("float32")
[samples] = sampler.run(None, {{{inputs}}})
Image.fromarray(samples[0]).save("sample.png")
image = Image.open("sample.png").convert("RGB").resize(({size}, {size}))  # or one of yours
[z] = encoder.run(None, {{"images": np.asarray(image)[None]}})
[rebuilt] = decoder.run(None, {{"z": z}})
Image.fromarray(rebuilt[0]).save("rebuilt.png")
```

`model.json` says what each input and output is, and how images were brought into squares. No network draws random
numbers: the same noise gives the same images.
"""
GIVEN = {  # in README.md
    "label": "np.zeros(4, int)",
    "noise": "noise",
    "choice": 'np.random.random(4).astype("float32")',
    "guidance": 'np.ones(4, "float32")',
}


def export_networks(model: VAE, fitting: Mapping[str, Any], folder: Path) -> None:
    """Write encoder.onnx, decoder.onnx and sampler.onnx, with model.json and README.md that say how to use them.

    Args:
        fitting: `fit` and `background`, by which images were brought into squares before the training.

    Raises:
        BadInput: tf2onnx is not installed, or Keras runs on another backend than TensorFlow.
        OSError: the disk is full.
    """
    try:
        import onnx
        from tf2onnx import optimizer
    except ImportError:
        raise BadInput("export needs onnx and tf2onnx: pip install -r requirements-onnx.txt") from None
    if keras.config.backend() != "tensorflow":
        raise BadInput(f"KERAS_BACKEND is {keras.config.backend()}; export needs tensorflow, the default")
    # It would take other ways from run to run; what runs a network moves transpositions itself.
    optimizer._get_optimizers().pop("optimize_transpose", None)
    networks = build_networks(model)
    for name, network in tqdm(networks.items(), desc="export", unit="network", disable=None):
        file = folder / f"{name}.onnx"
        network(network.input)  # Keras exports what has been called
        network.export(file, format="onnx", verbose=False)
        exported = onnx.load(file)
        tidy(exported.graph, OUTPUTS[name])
        file.write_bytes(exported.SerializeToString(deterministic=True))
    about = {
        "format": FORMAT,
        "size": model.size,
        "latent_dim": model.latent_dim,
        "preprocessing": dict(fitting),
        "classes": list(model.classes),
        "sampler": model.settings["sampler"],
        "networks": {name: _described(network, OUTPUTS[name]) for name, network in networks.items()},
    }
    (folder / "model.json").write_text(json.dumps(about, indent=2) + "\n")
    inputs = ", ".join(f'"{tensor.name}": {GIVEN[tensor.name]}' for tensor in networks["sampler"].inputs)
    (folder / "README.md").write_text(README.format(size=model.size, latent_dim=model.latent_dim, inputs=inputs))


def build_networks(model: VAE) -> dict[str, keras.Model]:
    """The networks by name.

    Returns:
        encoder: from images, uint8 (n, size, size, 3), to z_mean, (n, latent_dim).
        decoder: from z, (n, latent_dim), to images.
        sampler: from noise, (n, latent_dim), to images; of a mixture or a flow also from uniform numbers `choice`,
            (n,); of a flow also from the `guidance` of each, (n,), and where there are classes from the number of the
            one to draw, `label`, (n,), or -1 for any.
    """
    images = keras.Input((model.size, model.size, 3), dtype="uint8", name="images")
    z, noise = (keras.Input((model.latent_dim,), name=name) for name in ("z", "noise"))
    choice, guidance = (keras.Input((), name=name) for name in ("choice", "guidance"))
    label = [keras.Input((), dtype="int64", name="label")] if model.classes else []
    if model.settings["sampler"] == "flow":
        inputs = [noise, choice, guidance, *label]
        drawn = from_flow(model, *inputs)
    elif model.settings["sampler"] == "mixture":
        inputs, drawn = [noise, choice], from_mixture(model, noise, choice)
    else:
        inputs, drawn = [noise], noise
    return {
        "encoder": keras.Model(images, model.encode(images)[0]),
        "decoder": keras.Model(z, levels(model.decode(z))),
        "sampler": keras.Model(inputs, levels(model.decode(drawn))),
    }


def levels(mean: KerasTensor) -> KerasTensor:
    """See `to_levels`, of which this is the symbolic form."""
    return ops.cast(ops.round(ops.clip(mean, 0, 1) * 255), "uint8")


def from_mixture(model: VAE, noise: KerasTensor, choice: KerasTensor) -> KerasTensor:
    """See `MixturePrior.sample`, of which this is the symbolic form."""
    shares, means, factors = map(
        ops.convert_to_numpy, (model.mixture.shares, model.mixture.means, model.mixture.factors)
    )
    which = chosen_of(np.cumsum(shares), choice)
    factor = ops.take(factors, which, axis=0)
    spread = factor * noise if factors.ndim == 2 else ops.squeeze(ops.matmul(factor, noise[:, :, None]), 2)
    return ops.take(means, which, axis=0) + spread


def from_flow(
    model: VAE, noise: KerasTensor, choice: KerasTensor, guidance: KerasTensor, label: KerasTensor | None = None
) -> KerasTensor:
    """See `FlowPrior.sample`, of which this is the symbolic form."""
    flow = model.flow
    shares = ops.convert_to_numpy(flow.shares)
    ends: Any = np.cumsum(shares)
    if label is not None:
        owners = ops.convert_to_numpy(flow.owners).astype(np.int64)
        allowed = ops.logical_or(ops.equal(label[:, None], owners), label[:, None] < 0)
        ends = ops.cumsum(ops.cast(allowed, "float32") * shares, axis=1)
    clusters = ops.one_hot(chosen_of(ends, choice), flow.places)
    at = Carry(flow)(noise, clusters, (guidance * float(flow.strength))[:, None])
    return at * ops.convert_to_numpy(flow.scale) + ops.convert_to_numpy(flow.shift)


class Carry(keras.layers.Layer):
    """See `FlowPrior.carry`, of which this is the way from noise to latents, in a loop that becomes one in ONNX."""

    def __init__(self, flow: FlowPrior):
        super().__init__()
        self.step = HeunStep(flow.network, flow.guide)
        self.built = True

    def call(self, noise: KerasTensor, clusters: KerasTensor, weight: KerasTensor) -> KerasTensor:
        """From noise (n, latent_dim), one-hot clusters (n, places) and weights of the guidance (n, 1)."""

        def body(number: KerasTensor, at: KerasTensor) -> KerasTensor:
            before, after = (ops.zeros_like(weight) + ops.cast(end, "float32") / STEPS for end in (number, number + 1))
            return self.step((at, clusters, weight, before, after))

        return ops.fori_loop(0, STEPS, body, noise)


def chosen_of(ends: NDArray | KerasTensor, choice: KerasTensor) -> KerasTensor:
    """See `chosen`, of which this is the symbolic form.

    Args:
        ends: sums of the shares up to each, the same for all, (k,), or those of each, (n, k).
    """
    return ops.sum(ops.cast(choice[:, None] * ends[..., -1:] >= ends, "int32"), axis=1)


def _described(network: keras.Model, outputs: Sequence[str]) -> dict[str, dict[str, Any]]:
    entries = {
        "inputs": {tensor.name: tensor for tensor in network.inputs},
        "outputs": dict(zip(outputs, network.outputs, strict=True)),
    }
    return {
        put: {
            name: {"shape": ["n", *tensor.shape[1:]], "type": tensor.dtype, "meaning": MEANINGS[name]}
            for name, tensor in tensors.items()
        }
        for put, tensors in entries.items()
    }


def tidy(graph: Any, outputs: Sequence[str]) -> None:
    """Make a graph of ONNX the same whenever it is made of the same network, and name its outputs.

    The order of tf2onnx's nodes differs from run to run, and its names count on from one network to the next. Here
    nodes stand in the order in which the outputs need them, and all names are numbers in that order.
    """
    names = {"": ""} | {entry.name: entry.name for entry in graph.input}
    names |= {entry.name: name for entry, name in zip(graph.output, outputs, strict=True)}
    _tidy(graph, names)


def _tidy(graph: Any, names: dict[str, str]) -> None:
    makers = {name: place for place, node in enumerate(graph.node) for name in node.output}
    order: dict[int, None] = {}

    def visit(needed: Iterable[str]) -> None:
        for place in (makers[name] for name in needed if name in makers):
            if place not in order:
                visit(_needs(graph.node[place]))
                order[place] = None

    def renamed(name: str) -> str:
        return names.setdefault(name, f"value_{len(names)}")

    visit(entry.name for entry in graph.output)
    nodes = [copy.deepcopy(graph.node[place]) for place in order]
    for entry in (*graph.input, *graph.output):
        entry.name = renamed(entry.name)
        for length in entry.type.tensor_type.shape.dim:
            if length.dim_param:
                length.dim_param = "n"
    for node in nodes:
        node.name = ""
        node.input[:] = map(renamed, node.input)
        for inner in _graphs(node):
            _tidy(inner, names)
        node.output[:] = map(renamed, node.output)
    constants = {names[one.name]: copy.deepcopy(one) for one in graph.initializer if one.name in names}
    for name, constant in constants.items():
        constant.name = name
    for part in (graph.node, graph.initializer, graph.value_info):
        del part[:]
    graph.node.extend(nodes)
    graph.initializer.extend(constants[name] for name in names.values() if name in constants)
    graph.name, graph.doc_string = "network", ""


def _graphs(node: Any) -> list[Any]:
    """The graphs within a node, as a loop has one."""
    return [attribute.g for attribute in node.attribute if attribute.HasField("g")]


def _needs(node: Any) -> list[str]:
    """What a node takes from the graph that it is in, also by graphs within it, and perhaps more."""
    return [*node.input, *(name for graph in _graphs(node) for inner in graph.node for name in _needs(inner))]
