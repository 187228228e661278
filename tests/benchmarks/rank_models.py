"""Do random features rank models as a trained network does?

    python tests/benchmarks/rank_models.py JUDGE ROBOTS FOLDER

JUDGE is a network, as train_judge.py makes; ROBOTS a folder of 2,500 or more demo robots of 64x64 pixels. Models of
unlike quality are trained on the first 1,500 and their samples kept in FOLDER; these and spoilt real images are
compared with the next 500 by both kinds of features. Prints a table and rank correlations, in Markdown.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "stages"))
from imagevae.backend import start_keras

start_keras(0)
import cv2  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from scipy.stats import spearmanr  # noqa: E402

from imagevae.dataset import read_squares  # noqa: E402
from imagevae.decoding import decode_in_batches  # noqa: E402
from imagevae.distances import frechet, kernel_distance  # noqa: E402
from imagevae.features import Network, features, network_of, random_network  # noqa: E402
from imagevae.vae import VAE  # noqa: E402

Pictures = NDArray[np.uint8]
MODELS = {  # width, epochs, kl_weight
    "width 8, 1 epoch, KL weight 1": (8, 1, 1),
    "width 8, 4 epochs, KL weight 10": (8, 4, 10),
    "width 8, 15 epochs, KL weight 30": (8, 15, 30),
    "width 16, 15 epochs, KL weight 30": (16, 15, 30),
    "width 16, 15 epochs, KL weight 1": (16, 15, 1),
}
COUNT = 500


def samples(images: Pictures, width: int, epochs: int, kl_weight: float, file: Path) -> Pictures:
    """Samples of a model, trained unless the file keeps them."""
    if not file.is_file():
        keras.utils.set_random_seed(0)
        model = VAE(64, 64, width, kl_weight)
        model.compile(keras.optimizers.Adam(2e-3), jit_compile=False)
        model.fit(images, images, batch_size=64, epochs=epochs, verbose=0)
        z = np.random.default_rng(0).standard_normal((COUNT, 64)).astype(np.float32)
        np.save(file, np.stack(list(decode_in_batches(model, z))))
    return np.load(file)[:COUNT]


def spoilt(images: Pictures, others: Pictures) -> Iterator[tuple[str, Pictures]]:
    noise = np.random.default_rng(0).normal(size=images.shape)
    yield "real images", images
    yield "noise of 5 levels", np.clip(np.rint(images + 5 * noise), 0, 255).astype(np.uint8)
    yield "noise of 20 levels", np.clip(np.rint(images + 20 * noise), 0, 255).astype(np.uint8)
    yield "blur of 0.7 pixels", np.stack([cv2.GaussianBlur(image, (0, 0), 0.7) for image in images])
    yield "blur of 2 pixels", np.stack([cv2.GaussianBlur(image, (0, 0), 2) for image in images])
    yield "two images averaged", ((images.astype(int) + others) // 2).astype(np.uint8)


def judged(networks: list[Network], real: Pictures, sets: dict[str, Pictures]) -> dict[str, tuple[float, float]]:
    """Fréchet and kernel distance of each set, averaged over networks."""
    references = [features(network, real, "real images") for network in networks]
    found = {}
    for name, pictures in sets.items():
        pairs = [(features(network, pictures, name), own) for network, own in zip(networks, references, strict=True)]
        found[name] = tuple(
            float(np.mean([distance(*pair).value for pair in pairs])) for distance in (frechet, kernel_distance)
        )
    return found


def main(judge: str, robots: str, folder: str) -> None:
    images = read_squares(Path(robots))[:2500]
    fit, real, spare, others = np.split(images, [1500, 1500 + COUNT, 1500 + COUNT + 250])
    spare = np.concatenate([spare, others])
    sets = {
        name: samples(fit, *settings, Path(folder) / f"{'_'.join(map(str, settings))}.npy")
        for name, settings in MODELS.items()
    } | dict(spoilt(spare, spare[::-1]))
    trained = judged([network_of(Path(judge), "levels")], real, sets)
    random = judged([random_network(64, seed) for seed in range(3)], real, sets)
    print("| images | `fd` of the trained network | `fd_random` | `kid` of the trained network | `kid_random` |")
    print("| --- | --- | --- | --- | --- |")
    for name in sorted(sets, key=lambda name: trained[name][0]):
        (fd, kid), (fd_random, kid_random) = trained[name], random[name]
        print(f"| {name} | {fd:.4g} | {fd_random:.4g} | {kid:.4g} | {kid_random:.4g} |")
    for kind, names in (("all", list(sets)), ("trained models", list(MODELS)), ("spoilt", list(sets)[len(MODELS) :])):
        for place, metric in enumerate(("fd", "kid")):
            correlation = spearmanr([trained[name][place] for name in names], [random[name][place] for name in names])
            print(f"{kind}, {metric}: Spearman's rank correlation {correlation.statistic:.2f} of {len(names)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
