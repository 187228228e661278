"""Feature vectors of images: from networks with random weights, or from a network in a file."""

import json
import math
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray
from tqdm import tqdm

from imagevae.cli.errors import BadInput
from imagevae.dataset.squares import Images
from imagevae.evaluation.trial import try_network
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
MOST_SIDE, MOST_BATCH, MOST_FEATURES = 2048, 1024, 32_768  # of networks in files
ONNX_BYTES = 2**31  # protobuf's limit for a message, and so for a network in one file
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
        try_network(file, pixel_range)
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
        BadInput: not a network of images, or onnxruntime is needed and missing. So does `Network.apply` where the
            network fails, or gives what are no finite vectors, one for each image.
        OSError: the file can't be read.
    """
    if file.suffix not in OPENERS:
        raise BadInput(f"{file}: --features must be a network in Keras's format, .keras, or in ONNX, .onnx")
    shape, run = OPENERS[file.suffix](file)
    if len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise BadInput(f"{file}: its input has the shape {tuple(shape)}, which is not that of RGB images")
    first = shape[1] == 3
    height, width = (side if isinstance(side, int) else FREE for side in (shape[2:] if first else shape[1:3]))
    batch = shape[0] if isinstance(shape[0], int) else 64
    if height != width:
        raise BadInput(f"{file}: its input is {width}x{height} pixels; it must be square")
    if not 1 <= width <= MOST_SIDE or not 1 <= batch <= MOST_BATCH:
        raise BadInput(
            f"{file}: it takes {batch} images of {width}x{height} pixels at once; 1 to {MOST_BATCH} of 1x1 to "
            f"{MOST_SIDE}x{MOST_SIDE} are possible"
        )
    return Network(width, batch, _with_vectors(file, run, *RANGES[pixel_range], first))


Run = Callable[[NDArray[np.float32]], NDArray]


def _open_keras(file: Path) -> tuple[tuple, Run]:
    try:
        with zipfile.ZipFile(file) as archive:
            size = sum(part.file_size for part in archive.infolist())
            if size > file.stat().st_size:
                raise BadInput(f"{file}: what it holds is compressed, which Keras never does; save the network again")
            config = json.loads(archive.read("config.json"))
        with ThreadPoolExecutor(1) as apart:
            wanted = apart.submit(_count_weights, config).result()
        if wanted > size:
            raise BadInput(f"{file}: a network of {wanted:,} weights can't lie in so small a file")
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
        single = keras.Model(model.inputs, model.outputs[0])
        return model.inputs[0].shape, _compiled(single)
    except (BadInput, MemoryError):
        raise
    except Exception as error:  # Keras, h5py and zipfile raise a wide choice of them
        raise BadInput(
            f"{file}: damaged, or not a network that Keras loads without code of others, as Lambda layers are"
        ) from error


def _count_weights(config: dict[str, Any]) -> int:
    """How many weights a network has, without memory for them. To be called in a thread of its own, since Keras keeps
    what it has not initialised, thread by thread."""
    with keras.StatelessScope(initialize_variables=False):
        return keras.saving.deserialize_keras_object(config, safe_mode=True).count_params()


def _open_onnx(file: Path) -> tuple[tuple, Run]:
    try:
        import onnx
        import onnxruntime
    except ImportError:
        raise BadInput(f"{file}: networks in ONNX need onnxruntime: pip install -r requirements-onnx.txt") from None
    if file.stat().st_size >= ONNX_BYTES:
        raise BadInput(f"{file}: larger than the 2 GiB that a network of one file has in ONNX")
    content = file.read_bytes()
    try:
        model = onnx.load_model_from_string(content)
    except Exception:  # of protobuf, whose kind depends on its implementation
        raise BadInput(f"{file}: damaged, or not a network in ONNX") from None
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model)):
        raise BadInput(f"{file}: its weights lie in another file; save it as one, with save_as_external_data=False")
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has many
        raise BadInput(f"{file}: damaged, or not a network that onnxruntime runs ({_first_line(error)})") from error
    if len(session.get_inputs()) != 1:
        raise BadInput(f"{file}: it has {len(session.get_inputs())} inputs; it must have one, images")
    entry = session.get_inputs()[0]
    kind = {"tensor(uint8)": np.uint8, "tensor(float16)": np.float16}.get(entry.type, np.float32)
    output = session.get_outputs()[0].name
    return tuple(entry.shape), lambda pixels: session.run([output], {entry.name: pixels.astype(kind)})[0]


OPENERS: dict[str, Callable[[Path], tuple[tuple, Run]]] = {".keras": _open_keras, ".onnx": _open_onnx}


def _tensors(message: Any) -> Iterator[Any]:
    """All tensors in a message of ONNX's protobuf, however deep: of the graph, its nodes, subgraphs and functions."""
    if message.DESCRIPTOR.name in ("TensorProto", "SparseTensorProto"):
        yield from [message] if message.DESCRIPTOR.name == "TensorProto" else [message.values, message.indices]
        return
    for field, value in message.ListFields():
        if field.message_type:
            for part in value if field.is_repeated else [value]:
                yield from _tensors(part)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


def _compiled(model: keras.Model) -> Run:
    model.compile(jit_compile=False)  # predict_on_batch is several times as fast as calling the model
    return model.predict_on_batch


def _with_vectors(file: Path, run: Run, shift: list[float], scale: list[float], channels_first: bool) -> Run:
    """From levels in a batch to vectors, by a network that takes another range and perhaps channels first."""

    def apply(levels: NDArray[np.float32]) -> NDArray:
        pixels = ((levels - shift) / scale).astype(np.float32)
        try:
            output = run(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)) if channels_first else pixels)
        except MemoryError:
            raise
        except Exception as error:  # Keras's backends and onnxruntime have many
            raise BadInput(f"{file}: this network fails on a batch of images") from error
        if not isinstance(output, np.ndarray) or output.dtype.kind not in "fiu" or output.ndim not in (2, 3, 4):
            shape = getattr(output, "shape", "none")
            raise BadInput(f"{file}: its output has the shape {shape}, which is neither vectors nor maps nor tokens")
        if len(output) != len(levels) or not output.size:
            raise BadInput(f"{file}: its output has the shape {output.shape} for a batch of {len(levels)} images")
        if output.ndim == 4:
            vectors = output.mean(axis=(2, 3) if channels_first else (1, 2))
        else:
            vectors = output[:, 0] if output.ndim == 3 else output
        if vectors.shape[1] > MOST_FEATURES:
            raise BadInput(f"{file}: it gives {vectors.shape[1]:,} features; {MOST_FEATURES:,} are possible")
        if not np.isfinite(vectors).all():
            raise BadInput(f"{file}: it gives features that are infinite or no numbers; features_range may be wrong")
        return vectors

    return apply
