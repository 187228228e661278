"""Memory does not grow with the number of images: where a model is trained, draws new ones, or looks for odd ones.

All have to map, read or write so much that a copy in memory would show.
"""

from pathlib import Path

import numpy as np
import pytest

from conftest import ROOT, train_outputs
from imagevae.dataset.held_out import split
from imagevae.dataset.squares import read_squares
from imagevae.model.archive import load_model, save_model
from imagevae.model.vae import VAE
from peak_memory import MIB, peak_memory
from shard_files import write_shards
from train import epochs_for

pytestmark = [pytest.mark.slow, pytest.mark.endurance]

SIZE, MANY = 24, 45_000
FLAGS = ("--network", "mlp", "--latent_dim", 2, "--width", 4, "--flow_steps", 0, "--batch_size", 256)


def train(folder: Path, count: int) -> tuple[int, int]:
    """Peak memory of a training on so many images, and their size, in bytes."""
    shards = write_shards(folder / "shards", count, SIZE)
    words = ("--input", shards, *train_outputs(folder), *FLAGS, "--epochs", 0 if count == MANY else 1)
    return peak_memory(ROOT / "stages" / "train.py", *words), sum(file.stat().st_size for file in shards.glob("*.npy"))


def test_training_on_many_images_takes_the_memory_of_few(tmp_path: Path):
    """And where no number of epochs is given, it takes as many as show the model enough images."""
    for name in ("few", "many"):
        (tmp_path / name).mkdir()
    few, _ = train(tmp_path / "few", 4_000)
    many, mapped = train(tmp_path / "many", MANY)
    assert mapped > 70 * MIB
    assert many - mapped < few + 30 * MIB  # pages that are mapped, the system takes back when it likes
    settings = load_model(tmp_path / "many" / "model" / "vae.keras").settings
    training, _ = split(read_squares(tmp_path / "many" / "shards"), settings["held_out"], tmp_path)
    assert settings["training"]["epochs"] == epochs_for(len(training)) == 2
    loss = (tmp_path / "many" / "curves/plots/metrics/held_out/loss.tsv").read_text().splitlines()
    assert len(loss) == 1 + 2  # a heading, then the epochs


def test_drawing_many_images_takes_the_memory_of_few(tmp_path: Path):
    save_model(VAE(size=8, network="mlp", latent_dim=2, width=4), tmp_path / "vae.keras")
    peaks = []
    for count in (2_000, 100_000):
        out = tmp_path / str(count)
        words = ("--model", tmp_path / "vae.keras", "--output", out, "--count", count, "--format", "shards")
        peaks.append(peak_memory(ROOT / "stages" / "sample.py", *words))
        assert len(read_squares(out)) == count
    assert peaks[1] < peaks[0] + 30 * MIB  # the samples alone are 18 MiB, their list would be another 40
    shards = [np.load(tmp_path / str(count) / "00001.npy") for count in (2_000, 100_000)]
    assert np.array_equal(*shards)


def test_looking_for_odd_images_among_many_takes_the_memory_of_few(tmp_path: Path):
    save_model(VAE(size=64, network="mlp", latent_dim=2, width=1, axis_count=2), tmp_path / "vae.keras")
    peaks = []
    for count in (1_000, 8_000):
        shards = write_shards(tmp_path / f"{count}", count, 64)
        out = tmp_path / f"out {count}"
        words = ("strange", "--model", tmp_path / "vae.keras", "--images", shards, "--output", out)
        peaks.append(peak_memory(ROOT / "stages" / "explore.py", *words))
        assert len((out / "strange.csv").read_text().splitlines()) == 1 + count
    assert peaks[1] < peaks[0] + 40 * MIB  # the images alone are 94 MiB
