"""How far a training step of the default network is from the floor: the time of its multiplications alone.

    python tests/benchmarks/train_floor.py

Counts the multiplications of a step from the shapes of the layers, times the step as stages/train.py runs it, without
the error of textures and with it, and takes the rate of a large matrix product on the same cores for the fastest that
they can multiply.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "stages"))
from imagevae.model.backend import start_keras

start_keras(0)
import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import layers  # noqa: E402

from imagevae.model.vae import VAE  # noqa: E402
from imagevae.training.batches import Batches  # noqa: E402
from imagevae.training.loop import STEPS_AT_ONCE  # noqa: E402
from imagevae.training.optimizer import TIMES, Muon  # noqa: E402

BATCH, STEPS, REPEATS = 8, 300, 5
SIDE = 2048  # of the matrices whose product is timed


def main() -> None:
    model, textured = (VAE(size=64, texture_weight=weight) for weight in (0, 1))
    forward = [of_layer(layer) for network in (model.encoder, model.decoder) for layer in network.layers]
    kernels = [variable.shape for variable in model.trainable_variables if len(variable.shape) == 4]
    first = next(one for one in forward if one)  # its input is no one's output, and wants no gradient
    image, optimizer = 3 * sum(forward) - first, sum(map(of_muon, kernels))
    step, with_textures = map(seconds_a_step, (model, textured))
    square = keras.random.normal((SIDE, SIDE))
    rate = SIDE**3 / median(lambda: keras.ops.convert_to_numpy(keras.ops.matmul(square, square)))
    floor = (BATCH * image + optimizer) / rate
    print(
        f"multiplications with additions, forward: {sum(forward) / 1e6:.1f} million an image; in all {image / 1e6:.1f}"
    )
    print(
        f"those of the optimizer, a step: {optimizer / 1e6:.1f} million, {optimizer / (floor * rate):.0%} of them all"
    )
    print(f"large matrices: {2 * rate / 1e9:.0f} GFLOPS; so the floor of a step is {1000 * floor:.1f} ms")
    print(f"a step of {BATCH} takes {1000 * step:.1f} ms, {step / floor:.2f} times that: {BATCH / step:.0f} images/s")
    print(f"with the error of textures it takes {1000 * with_textures:.1f} ms")


def seconds_a_step(model: VAE) -> float:
    model.compile(Muon(1e-4), jit_compile=False, steps_per_execution=STEPS_AT_ONCE)
    images = np.random.default_rng(0).integers(0, 256, (BATCH * STEPS, 64, 64, 3), np.uint8)
    return median(lambda: model.fit(Batches(images, BATCH), verbose=0)) / STEPS


def of_layer(layer: layers.Layer) -> int:
    """Multiplications of a layer, over one image."""
    if not isinstance(layer, layers.Conv2D):
        return 0
    _, height, width, channels = layer.output.shape
    return height * width * int(np.prod(layer.kernel.shape[:3])) * channels


def of_muon(shape: tuple[int, ...]) -> int:
    """Multiplications of Muon's step of a kernel: two with the whole matrix, four of the smaller side each time."""
    rows, columns = int(np.prod(shape[:3])), shape[3]
    small = min(rows, columns)
    return 2 * rows * columns * small + 4 * TIMES * small**3


def median(work: Callable[[], object]) -> float:
    """Seconds, in the middle of some runs after a first one."""
    work()
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
