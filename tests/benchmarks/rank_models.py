"""Do random features rank models as a pretrained network does?

    python tests/benchmarks/rank_models.py JUDGE SQUARES

JUDGE is a network that learned ImageNet, as peers/pretrained_judge.py makes; SQUARES a folder of 2,500 or more square
images of 64x64 pixels. Models of unlike quality are trained on 60% of them; samples of each, and spoilt real images,
are compared with held-out images by both kinds of features. Prints a table and rank correlations, in Markdown.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "stages"))
from imagevae.model.backend import start_keras

start_keras(0)
import cv2  # noqa: E402
import numpy as np  # noqa: E402
from compare_models import Pictures, ours, row, train  # noqa: E402
from scipy.stats import spearmanr  # noqa: E402

from imagevae.dataset.held_out import split  # noqa: E402
from imagevae.dataset.squares import read_squares  # noqa: E402
from imagevae.evaluation.distances import average, frechet, kernel_distance  # noqa: E402
from imagevae.evaluation.features import Network, features, network_of, random_network  # noqa: E402

HELD_OUT = 0.4
COUNT = 500
MODELS = (  # flags of stages/train.py
    "--epochs 25",
    "--epochs 8",
    "--epochs 3",
    "--epochs 8 --flow_steps 0",
    "--epochs 8 --latent_dim 64",
    "--epochs 8 --kl_weight 20",
    "--epochs 8 --network vector --latent_dim 64 --kl_weight 20 --flow_steps 0",
    "--epochs 1 --flow_steps 0",
    "--epochs 8 --network mlp --latent_dim 2 --flow_steps 0",
)


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
            average([distance(*pair) for pair in pairs]).value for distance in (frechet, kernel_distance)
        )
    return found


def main(judge: str, squares: str) -> None:
    _, held_out = split(read_squares(Path(squares)), HELD_OUT, Path(squares))
    real, spare = np.split(held_out[: 2 * COUNT], 2)
    models = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, flags in enumerate(MODELS):
            place = Path(folder) / str(number)
            train(Path(squares), place, f"{flags} --held_out {HELD_OUT}")
            ((sampler, samples),) = ours(place / "vae.keras", real)[1].items()
            models[f"`{flags}`: {sampler}"] = samples
    ruined = dict(spoilt(spare, spare[::-1]))
    sets = models | ruined
    pretrained = judged([network_of(Path(judge), "levels")], real, sets)
    random = judged([random_network(real.shape[1], seed) for seed in range(3)], real, sets)
    row("images", "`fd`, pretrained", "`fd_random`", "`kid`, pretrained", "`kid_random`")
    row(*["---"] * 5)
    for name in sorted(sets, key=lambda name: pretrained[name][0]):
        (fd, kid), (fd_random, kid_random) = pretrained[name], random[name]
        row(name, f"{fd:.4g}", f"{fd_random:.4g}", f"{kid:.4g}", f"{kid_random:.4g}")
    print("\nSpearman's rank correlation of the two kinds of features:\n")
    row("images", "sets", "fd", "kid")
    row(*["---"] * 4)
    for kind, names in (("all", [*sets]), ("models", [*models]), ("spoilt", [*ruined])):
        both = [
            spearmanr([pretrained[name][place] for name in names], [random[name][place] for name in names]).statistic
            for place in range(2)
        ]
        row(kind, str(len(names)), *(f"{correlation:.2f}" for correlation in both))


if __name__ == "__main__":
    main(*sys.argv[1:])
