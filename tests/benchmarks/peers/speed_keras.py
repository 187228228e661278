"""Images a second of a training step of the default network, as stages/train.py runs it; see compare_models.py.

python speed_keras.py BATCH STEPS adam|muon float32|mixed_bfloat16
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "stages"))
from imagevae.model.backend import start_keras

start_keras(0)
import keras  # noqa: E402
import numpy as np  # noqa: E402

from imagevae.model.vae import VAE  # noqa: E402
from imagevae.training.batches import Batches  # noqa: E402
from imagevae.training.loop import STEPS_AT_ONCE  # noqa: E402
from imagevae.training.optimizer import Muon  # noqa: E402

OPTIMIZERS = {"adam": keras.optimizers.Adam, "muon": Muon}


def main(batch: int, steps: int, optimizer: str, precision: str) -> None:
    model = VAE(size=64, texture_weight=0, precision=precision)
    model.compile(OPTIMIZERS[optimizer](1e-4), jit_compile=False, steps_per_execution=STEPS_AT_ONCE)
    images = np.random.default_rng(0).integers(0, 256, (batch * steps, 64, 64, 3), np.uint8)
    model.fit(Batches(images, batch), verbose=0)
    start = time.perf_counter()
    model.fit(Batches(images, batch), verbose=0)
    print(len(images) / (time.perf_counter() - start))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), *sys.argv[3:])
