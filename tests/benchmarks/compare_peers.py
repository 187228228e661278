"""This project beside what one would pick instead, on the same images, cores and time. Prints Markdown.

    python tests/benchmarks/compare_peers.py SQUARES PYTHON [JUDGE]

SQUARES is a folder of square images of 64x64 pixels; PYTHON an interpreter with peers/requirements.txt installed;
JUDGE a network whose features compare samples too, as train_judge.py makes. Trains the default model, and then models
of pythae for as many seconds as that took, start-up and the distributions to sample from included.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "stages"))
from imagevae.backend import start_keras  # noqa: E402

start_keras(0)
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from imagevae import reconstruction  # noqa: E402
from imagevae.archive import load_model  # noqa: E402
from imagevae.dataset import read_squares, split  # noqa: E402
from imagevae.decoding import decode_in_batches  # noqa: E402
from imagevae.distances import average, kernel_distance  # noqa: E402
from imagevae.encoding import encode  # noqa: E402
from imagevae.features import Network, features, network_of, random_network  # noqa: E402
from imagevae.likelihood import DEQUANTISATION, LEVELS  # noqa: E402
from imagevae.neighbours import fidelity  # noqa: E402
from imagevae.sampling import draw_latents  # noqa: E402

Pictures = NDArray[np.uint8]
SPEED = ("32", "100")  # images in a batch, and steps


def main(squares: str, python: str, *judge: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        training, held_out = (images[:] for images in split(read_squares(Path(squares)), 0.1, Path(squares)))
        np.savez(folder / "images.npz", training=training, held_out=held_out)
        networks = {"kid_random": [random_network(training.shape[1], seed) for seed in range(3)]}
        if judge:
            networks["kid of the judge"] = [network_of(Path(judge[0]), "levels")]
        seconds = train(squares, folder)
        print(f"{len(training)} training images, {seconds:.0f} s each\n")
        row("model", "sampler", "images/s", "PSNR, dB", "precision", "recall", "coverage", *networks)
        row(*["---"] * (7 + len(networks)))
        compare("dvc-vae", *ours(folder / "vae.keras", held_out), "", held_out, networks)
        for model, samplers in (("VAE", ("normal", "mixture")), ("RAE_L2", ("mixture",))):
            subprocess.run(
                [
                    python,
                    HERE / "peers" / "pythae_models.py",
                    model,
                    folder / "images.npz",
                    str(seconds),
                    folder / model,
                ],
                check=True,
                capture_output=True,
            )
            found = dict(np.load(folder / f"{model}.npz"))
            for sampler in samplers:
                drawn = {sampler: found[sampler]}
                compare(
                    f"pythae {model}", found["rebuilt"], drawn, f"{found['images_a_second']:.0f}", held_out, networks
                )
        race(folder, seconds, np.load(folder / "VAE.npz")["measured"], held_out[0].size)
    speeds(python)


def train(squares: str, folder: Path) -> float:
    """Seconds that the training stage takes with its default parameters."""
    places = ("--input", squares, "--output", folder / "vae.keras", "--curves", folder / "curves")
    start = time.monotonic()
    subprocess.run([sys.executable, ROOT / "stages" / "train.py", *places], check=True, capture_output=True)
    return time.monotonic() - start


def ours(file: Path, held_out: Pictures) -> tuple[Pictures, dict[str, Pictures]]:
    model = load_model(file)
    sampler = model.settings["sampler"]
    rebuilt, drawn = (
        np.stack(list(decode_in_batches(model, latents)))
        for latents in (encode(model, held_out).z_mean, draw_latents(model, sampler, len(held_out), 0, 1.0))
    )
    return rebuilt, {sampler: drawn}


def compare(
    model: str,
    rebuilt: Pictures,
    drawn: dict[str, Pictures],
    rate: str,
    held_out: Pictures,
    networks: dict[str, list[Network]],
) -> None:
    """A row of the table for each set of samples."""
    psnr = f"{reconstruction.psnr(held_out, rebuilt).mean():.1f}"
    for sampler, samples in drawn.items():
        pairs = {
            name: [(features(network, samples, "samples"), features(network, held_out, "held out")) for network in some]
            for name, some in networks.items()
        }
        shares = np.mean(
            [[part.mean() for part in fidelity(real, fake, 5)] for fake, real in pairs["kid_random"]], axis=0
        )
        precision, recall, _, coverage = (f"{share:.2f}" for share in shares)
        distances = [f"{average([kernel_distance(*pair) for pair in some]).value:.4g}" for some in pairs.values()]
        row(model, sampler, rate, psnr, precision, recall, coverage, *distances)


def race(folder: Path, seconds: float, measured: NDArray, dimensions: int) -> None:
    """When the held-out ELBO of this project passes the best one of pythae's VAE, whose variance is set in hindsight.

    Epochs of ours are taken to share the whole time of the training, the fitting of samplers included, equally.
    """
    variance = measured[:, 1] + DEQUANTISATION
    theirs = -dimensions * (0.5 * np.log(2 * np.pi * np.e * variance) + np.log(LEVELS)) - measured[:, 2]
    curve = np.loadtxt(folder / "curves/plots/metrics/held_out/loss.tsv", skiprows=1)[:, 1]
    passed = int(np.argmax(-curve > theirs.max())) + 1 if (-curve > theirs.max()).any() else None
    when = f"after {passed / len(curve) * seconds:.0f} s" if passed else "not"
    when = f"after {passed / len(curve) * seconds:.0f} s" if passed else "never"
    best = theirs.argmax()
    print(f"\nHeld-out ELBO of pythae's VAE: {theirs[best]:.0f} nats at best, after {measured[best, 0]:.0f} s.")
    print(f"dvc-vae passes that {when}, and comes to {-curve.min():.0f}.")


def speeds(python: str, repeats: int = 3) -> None:
    """The default network's training step in both frameworks, in turns."""
    scripts = {"Keras on TensorFlow": (sys.executable, "speed_keras.py"), "PyTorch": (python, "speed_torch.py")}
    rates: dict[str, list[float]] = {name: [] for name in scripts}
    for _ in range(repeats):
        for name, (interpreter, script) in scripts.items():
            command = [interpreter, HERE / "peers" / script, *SPEED]
            rates[name].append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    print("\nTraining steps of the default network, float32, batches of 32:")
    for name, found in rates.items():
        middle = statistics.median(found)
        print(f"{name}: {middle:.0f} images/s, +-{50 * (max(found) - min(found)) / middle:.0f}%")


def row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
