"""How fast the networks of `explore.py export` are in ONNX Runtime, beside the model in Keras. Prints Markdown.

    python stages/explore.py export --model MODEL --output FOLDER
    python tests/benchmarks/exported.py MODEL FOLDER

Each is run on one image and on many at a time, for a second or more; the median is printed.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "stages"))
from imagevae.model.backend import start_keras  # noqa: E402

start_keras(0)
import numpy as np  # noqa: E402
from onnxruntime import InferenceSession, SessionOptions  # noqa: E402

from imagevae.model.archive import load_model  # noqa: E402
from imagevae.model.coding import decode_in_batches, encode  # noqa: E402
from imagevae.model.sampling import draw_latents  # noqa: E402
from imagevae.model.vae import VAE  # noqa: E402

MANY = 64


def median_seconds(run: Callable[[], object]) -> float:
    """The median time of a run, after a first one that may compile something."""
    run()
    taken: list[float] = []
    while sum(taken) < 1 or len(taken) < 3:
        begin = perf_counter()
        run()
        taken.append(perf_counter() - begin)
    return float(np.median(taken))


def sessions(folder: Path) -> dict[str, InferenceSession]:
    options = SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    return {name: InferenceSession(folder / f"{name}.onnx", options) for name in ("encoder", "decoder", "sampler")}


def inputs(session: InferenceSession, count: int) -> dict[str, np.ndarray]:
    noise = np.random.default_rng(0)
    made = {}
    for each in session.get_inputs():
        shape = (count, *each.shape[1:])
        if each.type == "tensor(uint8)":
            made[each.name] = noise.integers(0, 256, shape, np.uint8)
        elif each.type == "tensor(int64)":
            made[each.name] = np.zeros(shape, np.int64)
        elif each.name in ("choice", "guidance"):
            made[each.name] = np.full(shape, 0.5 if each.name == "choice" else 1, np.float32)
        else:
            made[each.name] = noise.standard_normal(shape).astype(np.float32)
    return made


def in_keras(model: VAE, name: str, given: dict[str, np.ndarray]) -> object:
    if name == "encoder":
        return encode(model, list(given["images"]))
    if name == "decoder":
        return list(decode_in_batches(model, given["z"]))
    latents = draw_latents(model.priors[model.settings["sampler"]], len(given["noise"]), 0, 1.0, 1.0)
    return list(decode_in_batches(model, latents))


def main(file: Path, folder: Path) -> None:
    model = load_model(file)
    print(f"| network | MB | one image, ms | {MANY} images, ms each | {MANY} in Keras, ms each |")
    print("| --- | --- | --- | --- | --- |")
    for name, session in sessions(folder).items():
        one, many = inputs(session, 1), inputs(session, MANY)
        seconds = [median_seconds(partial(session.run, None, given)) for given in (one, many)]
        seconds.append(median_seconds(partial(in_keras, model, name, many)))
        size = (folder / f"{name}.onnx").stat().st_size / 1e6
        print(
            f"| {name} | {size:.1f} | {1000 * seconds[0]:.1f} | "
            + " | ".join(f"{1000 * each / MANY:.1f}" for each in seconds[1:])
            + " |",
            flush=True,
        )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
