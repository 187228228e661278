"""Models of this project beside each other, and beside what one would pick instead. Prints Markdown.

    python tests/benchmarks/compare_models.py SQUARES [--judge FILE] [--ours FLAGS ...] [--python PYTHON]

SQUARES is a folder of square images of 64x64 pixels; FILE a network whose features compare samples too, as
peers/pretrained_judge.py makes. FLAGS are those of stages/train.py, one set for each model, as '--latent_dim 512'; none
gives the default. Distances have intervals of 95%, over images. Memorised and C_T are as in stages/evaluate.py, but
against reconstructions of held-out images, as training tests for copies. With PYTHON, an interpreter that has
peers/requirements.txt installed, models of pythae are trained for as many seconds as the first of ours took, start-up
and the distributions to sample from included; and the training step is timed beside PyTorch's.
"""

import argparse
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "stages"))
from imagevae.model.backend import start_keras  # noqa: E402

start_keras(0)
import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from imagevae.dataset.copies import cells, copying, nearest, thumbnails  # noqa: E402
from imagevae.dataset.held_out import split  # noqa: E402
from imagevae.dataset.squares import Images, read_squares  # noqa: E402
from imagevae.evaluation import reconstruction  # noqa: E402
from imagevae.evaluation.distances import average, kernel_distance  # noqa: E402
from imagevae.evaluation.features import Network, features, network_of, random_network  # noqa: E402
from imagevae.evaluation.fidelity import fidelity  # noqa: E402
from imagevae.evaluation.sections import memorised  # noqa: E402
from imagevae.model.archive import load_model  # noqa: E402
from imagevae.model.coding import decode_in_batches, encode  # noqa: E402
from imagevae.model.likelihood import LEVELS  # noqa: E402
from imagevae.model.sampling import draw_latents  # noqa: E402

Pictures = NDArray[np.uint8]
PEERS = {"VAE": ("normal", "mixture"), "RAE_L2": ("mixture",)}  # models of pythae, with ways to sample from them
SPEED = ("8", "400")  # images in a batch, and steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("squares", type=Path)
    parser.add_argument("--judge", type=Path)
    parser.add_argument("--ours", nargs="*", default=[""], help="flags of stages/train.py, for each model")
    parser.add_argument("--python", help="interpreter for the models of pythae")
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS, help="these models")
    arguments = parser.parse_args()
    training, held = split(read_squares(arguments.squares), 0.1, arguments.squares)
    held_out = held[:]
    networks = {"kid_random": [random_network(training.size, seed) for seed in range(3)]}
    if arguments.judge:
        networks["kid of the judge"] = [network_of(arguments.judge, "levels")]
    print(f"{len(training)} training images, {len(held_out)} held out\n")
    row("model", "seconds", "PSNR, dB", "samples of", "precision", "recall", "coverage", "memorised", "C_T", *networks)
    row(*["---"] * (9 + len(networks)))
    with tempfile.TemporaryDirectory() as name:
        folder, seconds = Path(name), []
        for number, flags in enumerate(arguments.ours):
            seconds.append(train(arguments.squares, folder / str(number), flags))
            rebuilt, drawn = ours(folder / str(number) / "vae.keras", held_out)
            compare(f"dvc-vae {flags}".strip(), seconds[-1], rebuilt, drawn, training, held_out, networks)
        if arguments.python:
            np.savez(folder / "images.npz", training=training[:], held_out=held_out)
            for model in arguments.peers:
                found = theirs(arguments.python, model, folder, seconds[0])
                drawn = {sampler: found[sampler] for sampler in PEERS[model]}
                compare(f"pythae {model}", seconds[0], found["rebuilt"], drawn, training, held_out, networks)
            if "VAE" in arguments.peers:
                race(folder, seconds[0], held_out[0].size)
            speeds(arguments.python)


def train(squares: Path, folder: Path, flags: str) -> float:
    """Seconds that the training stage takes."""
    places = ("--input", squares, "--output", folder / "vae.keras", "--curves", folder / "curves")
    command = [sys.executable, ROOT / "stages" / "train.py", *places, *shlex.split(flags)]
    start = time.monotonic()
    subprocess.run(command, check=True)
    return time.monotonic() - start


def theirs(python: str, model: str, folder: Path, seconds: float) -> dict[str, NDArray]:
    """What a model of pythae makes after some seconds, see peers/pythae_models.py."""
    script, output = HERE / "peers" / "pythae_models.py", folder / f"{model}.npz"
    command = [python, script, model, folder / "images.npz", str(seconds), output]
    subprocess.run(command, check=True, capture_output=True)
    with np.load(output) as found:
        return dict(found)


def ours(file: Path, held_out: Pictures) -> tuple[Pictures, dict[str, Pictures]]:
    model = load_model(file)
    sampler = model.settings["sampler"]
    rebuilt, drawn = (
        np.stack(list(decode_in_batches(model, latents)))
        for latents in (encode(model, held_out).z_mean, draw_latents(model.priors[sampler], len(held_out), 0, 1.0))
    )
    return rebuilt, {sampler: drawn}


def compare(
    model: str,
    seconds: float,
    rebuilt: Pictures,
    drawn: dict[str, Pictures],
    training: Images,
    held_out: Pictures,
    networks: dict[str, list[Network]],
) -> None:
    """A row of the table for each set of samples."""
    psnr = f"{reconstruction.psnr(held_out, rebuilt).mean():.1f}"
    known, expected = thumbnails(training.some(2000, 0)[:]), nearest(thumbnails(rebuilt), training)[0]
    for sampler, samples in drawn.items():
        pairs = {
            name: [(features(network, samples, "samples"), features(network, held_out, "held out")) for network in some]
            for name, some in networks.items()
        }
        judged = [fidelity(real, fake, 5) for fake, real in pairs["kid_random"]]
        precision, recall, _, coverage = (f"{share:.2f}" for share in np.mean(judged, axis=(0, 2)))
        small = thumbnails(samples)
        found = nearest(small, training)[0]
        c_t = copying(found, expected, cells(known, thumbnails(rebuilt), small, 0)).value
        copied = (f"{memorised(found, expected).value:.2f}", f"{c_t:.1f}")
        distances = [average([kernel_distance(*pair) for pair in some]) for some in pairs.values()]
        intervals = [f"{each.value:.4g} ±{(each.high - each.low) / 2:.1g}" for each in distances]
        row(model, f"{seconds:.0f}", psnr, sampler, precision, recall, coverage, *copied, *intervals)


def race(folder: Path, seconds: float, dimensions: int) -> None:
    """When the held-out ELBO of the first model passes the best of pythae's VAE.

    Its decoder is taken to be a Gaussian or Laplace's, whichever is better, its scale set in hindsight. Epochs of ours
    are taken to share the whole time of the training, the fitting of samplers included, equally.
    """
    measured = np.load(folder / "VAE.npz")["measured"]
    squared, absolute, divergence = measured[:, 1:].T
    entropy = np.minimum(np.log(2 * np.pi * np.e * squared) / 2, np.log(2 * np.e * absolute))
    elbo = -dimensions * (entropy + np.log(LEVELS)) - divergence
    curves = folder / "0/curves/plots/metrics/held_out"  # the loss may weigh the KL term, the ELBO does not
    curve = -sum(np.loadtxt(curves / f"{term}.tsv", skiprows=1)[:, 1] for term in ("reconstruction", "kl"))
    passed = np.flatnonzero(curve > elbo.max())
    when = f"after {(passed[0] + 1) / len(curve) * seconds:.0f} s" if len(passed) else "never"
    print(f"\nHeld-out ELBO of pythae's VAE: {elbo.max():.0f} nats at best, after {measured[elbo.argmax(), 0]:.0f} s.")
    print(f"dvc-vae passes that {when}, and comes to {curve.max():.0f}.")


def speeds(python: str, repeats: int = 5) -> None:
    """The default network's training step in both frameworks, in turns."""
    ours = (sys.executable, HERE / "peers" / "speed_keras.py", *SPEED)
    theirs = (python, HERE / "peers" / "speed_torch.py", *SPEED)
    scripts = {
        "Keras on TensorFlow, Adam": (*ours, "adam", "float32"),
        "PyTorch, Adam": (*theirs, "adam"),
        "Keras on TensorFlow, Muon": (*ours, "muon", "float32"),
        "PyTorch, Muon": (*theirs, "muon"),
        "Keras on TensorFlow, Muon, mixed_bfloat16": (*ours, "muon", "mixed_bfloat16"),
    }
    rates: dict[str, list[float]] = {name: [] for name in scripts}
    for _ in range(repeats):
        for name, command in scripts.items():
            rates[name].append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    print("\nTraining steps of the default network, without the error of textures, batches of 8:")
    for name, found in rates.items():
        middle = statistics.median(found)
        print(f"{name}: {middle:.0f} images/s, +-{50 * (max(found) - min(found)) / middle:.0f}%")


def row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
