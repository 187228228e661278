"""Train a judge of robots: a supervised network whose features know each factor, for rank_models.py.

    python tests/benchmarks/train_judge.py judge.keras

It learns the six factors of 6,000 robots of 64x64 pixels, drawn with a seed of its own, and prints its accuracies on
600 others. Its output are the 256 features before the last layer.
"""

import sys
from pathlib import Path

import cv2
import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2] / "stages"))
from imagevae.images import flatten
from imagevae.robot import COLOURS, FACTORS, draw_robot

SEED, COUNT, TESTED, SIZE, EPOCHS = 777, 6600, 600, 64, 6


def robots() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images (n, 64, 64, 3) and their factors (n, 6)."""
    factors = np.random.default_rng(SEED).integers(0, 10, (COUNT, len(FACTORS)))
    drawn = (flatten(draw_robot(COLOURS[colour], parts, 2 * SIZE), (0, 0, 0)) for colour, *parts in factors.tolist())
    return np.stack([cv2.resize(robot, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for robot in drawn]), factors


def residual(x: keras.KerasTensor, channels: int, strides: int) -> keras.KerasTensor:
    y = layers.Conv2D(channels, 3, strides, "same", use_bias=False)(x)
    y = layers.ReLU()(layers.BatchNormalization()(y))
    y = layers.BatchNormalization()(layers.Conv2D(channels, 3, padding="same", use_bias=False)(y))
    return layers.ReLU()(y + layers.Conv2D(channels, 1, strides)(x))


def main(file: str) -> None:
    keras.utils.set_random_seed(SEED)
    images, factors = robots()
    image = layers.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(24, 5, 2, "same", activation="relu")(layers.Rescaling(1 / 127.5, -1)(image))
    for channels, strides in ((48, 2), (96, 2), (160, 1), (256, 2)):
        x = residual(x, channels, strides)
    features = layers.GlobalAveragePooling2D()(x)
    network = keras.Model(image, [layers.Dense(10, name=name)(features) for name in FACTORS])
    steps = EPOCHS * (COUNT - TESTED) // 64
    network.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        [keras.losses.SparseCategoricalCrossentropy(from_logits=True) for _ in FACTORS],
        jit_compile=False,
    )
    network.fit(images[TESTED:], list(factors[TESTED:].T), batch_size=64, epochs=EPOCHS, verbose=0)
    told = [answers.argmax(axis=1) for answers in network.predict(images[:TESTED], verbose=0)]
    for name, answers, truth in zip(FACTORS, told, factors[:TESTED].T, strict=True):
        print(f"{name}: {np.mean(answers == truth):.3f}")
    keras.Model(image, features).save(file)


if __name__ == "__main__":
    main(sys.argv[1])
