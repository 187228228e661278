"""Feature vectors of images: from networks with random weights, or from a network in a file."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray
from tqdm import tqdm

from imagevae.cli.errors import BadInput
from imagevae.dataset.squares import Images
from imagevae.images.square import resample
from imagevae.model.padding import batches_of

# What is subtracted from levels of 0 to 255, and by what the rest is divided, for networks that want 0 to 255, 0 to 1,
# -1 to 1, or the mean and the standard deviation of ImageNet taken out.
RANGES: dict[str, tuple[list[float], list[float]]] = {
    "levels": ([0.0], [1.0]),
    "unit": ([0.0], [255.0]),
    "symmetric": ([127.5], [127.5]),
    "imagenet": ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
}
FREE = 224  # width and height of images for a network that takes any


@dataclass(frozen=True)
class Network:
    """A network that turns images into feature vectors.

    Attributes:
        size: width and height of the images, in pixels.
        batch: how many it takes at once.
        apply: from levels 0 to 255, float32 (batch, size, size, 3), to vectors, (batch, d).
    """

    size: int
    batch: int
    apply: Callable[[NDArray[np.float32]], NDArray]


def features(network: Network, images: Images | NDArray[np.uint8], name: str) -> NDArray[np.float64]:
    """Feature vectors (n, d) of n images, read batch by batch, scaled to the network's size.

    Args:
        name: of the images, for the progress bar.
    """
    vectors = []
    resized = (resample(image, network.size, network.size) for image in images)
    batches, count = batches_of(resized, network.batch), -(-len(images) // network.batch)
    for batch, size in tqdm(batches, total=count, desc=f"features of {name}", disable=None):
        vectors.append(network.apply(batch.astype(np.float32))[:size])
    return np.concatenate(vectors).astype(np.float64)


def random_network(size: int, seed: int) -> Network:
    """A convolutional network with random weights (He et al. 2015, equation 10), nothing of it learnt.

    The features are the mean of each channel over the image, at each of three levels that halve the resolution. On
    images far from ImageNet, random features judge generative models no worse than trained ones (Naeem et al. 2020,
    section 5).
    """
    image = layers.Input((size, size, 3))
    x, means = layers.Rescaling(1 / 127.5, -1)(image), []
    for channels in (32, 64, 128):
        x = layers.Conv2D(channels, 3, 2, "same", activation="relu", use_bias=False)(x)
        means.append(layers.GlobalAveragePooling2D()(x))
    network = keras.Model(image, layers.Concatenate()(means))
    numbers = np.random.default_rng(seed)  # NumPy's are the same whatever Keras computes with
    kernels = [numbers.standard_normal(kernel.shape, np.float32) for kernel in network.weights]
    network.set_weights([kernel * math.sqrt(2 / math.prod(kernel.shape[:-1])) for kernel in kernels])
    return Network(size, 64, _compiled(network))


def judges_of(size: int, networks: int, seed: int, file: Path | None, pixel_range: str) -> dict[str, list[Network]]:
    """The networks to compare images by, by name: `random` ones, and the one in a file, under the file's name.

    Args:
        size: width and height of the images, in pixels.
        networks: how many random ones.
        file: see `network_of`; None or an empty one stands for none.

    Raises:
        BadInput, OSError: see `network_of`; or the file is called as the random ones are.
    """
    judges = {"random": [random_network(size, seed + number) for number in range(networks)]}
    if file and not _is_empty(file):
        if file.stem in judges:
            raise BadInput(f"{file}: {file.stem} is what the random networks are called; rename the file")
        judges[file.stem] = [network_of(file, pixel_range)]
    return judges


def _is_empty(file: Path) -> bool:
    with file.open("rb") as content:
        return not content.read(1)


def network_of(file: Path, pixel_range: str) -> Network:
    """The network in a Keras (.keras) or ONNX (.onnx) file.

    Its input is RGB images, channels last or first, of a fixed size or of any, which then is 224. Of its first output
    vectors are taken as they are, maps are averaged over places, and of a sequence of tokens the first is taken,
    which is the class token of a vision transformer.

    Args:
        pixel_range: one of RANGES, what the network takes.

    Raises:
        BadInput: not a network of images, or onnxruntime is needed and missing.
        OSError: the file can't be read.
    """
    if file.suffix not in (".keras", ".onnx"):
        raise BadInput(f"{file}: --features must be a network in Keras's format, .keras, or in ONNX, .onnx")
    try:
        shape, run = _open_keras(file) if file.suffix == ".keras" else _open_onnx(file)
        if len(shape) != 4 or 3 not in (shape[1], shape[3]):
            raise ValueError(f"its input has the shape {tuple(shape)}, which is not that of RGB images")
        first = shape[1] == 3
        height, width = (side if isinstance(side, int) else FREE for side in (shape[2:] if first else shape[1:3]))
        if height != width:
            raise ValueError(f"its input is {width}x{height} pixels; it must be square")
        apply = _with_vectors(run, *RANGES[pixel_range], first)
        network = Network(width, shape[0] if isinstance(shape[0], int) else 64, apply)
        network.apply(np.zeros((network.batch, width, width, 3), np.float32))
    except BadInput:
        raise
    except Exception as error:  # Keras, h5py, zipfile and onnxruntime raise a wide choice of them
        reason = str(error).partition("\n")[0]
        raise BadInput(f"{file}: not a network that takes RGB images, or damaged ({reason})") from error
    return network


Run = Callable[[NDArray[np.float32]], NDArray]


def _open_keras(file: Path) -> tuple[tuple, Run]:
    model = keras.saving.load_model(file, compile=False)
    single = keras.Model(model.inputs, model.outputs[0])
    return model.inputs[0].shape, _compiled(single)


def _open_onnx(file: Path) -> tuple[tuple, Run]:
    try:
        import onnxruntime
    except ImportError:
        raise BadInput(f"{file}: networks in ONNX need onnxruntime: pip install -r requirements-onnx.txt") from None
    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    kind = {"tensor(uint8)": np.uint8, "tensor(float16)": np.float16}.get(entry.type, np.float32)
    output = session.get_outputs()[0].name
    return tuple(entry.shape), lambda pixels: session.run([output], {entry.name: pixels.astype(kind)})[0]


def _compiled(model: keras.Model) -> Run:
    model.compile(jit_compile=False)  # predict_on_batch is several times as fast as calling the model
    return model.predict_on_batch


def _with_vectors(run: Run, shift: list[float], scale: list[float], channels_first: bool) -> Run:
    """From levels in a batch to vectors, by a network that takes another range and perhaps channels first."""

    def apply(levels: NDArray[np.float32]) -> NDArray:
        pixels = ((levels - shift) / scale).astype(np.float32)
        output = run(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)) if channels_first else pixels)
        if output.ndim == 4:
            return output.mean(axis=(2, 3) if channels_first else (1, 2))
        if output.ndim not in (2, 3):
            raise ValueError(f"its output has the shape {output.shape}, which is neither vectors nor maps nor tokens")
        return output[:, 0] if output.ndim == 3 else output

    return apply
