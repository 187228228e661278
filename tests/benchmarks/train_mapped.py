"""Training from shards on the disk, beside the same images in memory; and memory as the images grow in number.

    python tests/benchmarks/train_mapped.py SHARDS

SHARDS is what stages/resize.py wrote with `--format shards`. Prints seconds an epoch of the default model, medians of
several epochs in turns, and how much of them goes into reading alone; and the peak memory of the training stage over
2,000, 20,000 and 200,000 images of 16x16 pixels, with and without the pages of the images themselves, which the system
takes back when it likes.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

STAGES = Path(__file__).parents[2] / "stages"
sys.path[:0] = [str(STAGES), str(Path(__file__).parents[1])]
from imagevae.model.backend import start_keras  # noqa: E402

start_keras(0)
from imagevae.dataset.squares import read_squares  # noqa: E402
from imagevae.model.vae import VAE  # noqa: E402
from imagevae.training.batches import Batches  # noqa: E402
from imagevae.training.loop import STEPS_AT_ONCE  # noqa: E402
from imagevae.training.optimizer import Muon  # noqa: E402
from peak_memory import MIB, peak_memory  # noqa: E402
from shard_files import write_shards  # noqa: E402

BATCH, REPEATS = 8, 5
FLAGS = (  # where memory is measured
    *("--network", "vector", "--latent_dim", 2, "--width", 4, "--epochs", 1, "--batch_size", 1024),
    *("--flow_steps", 100, "--held_out", 0.05),
)


def main(shards: str) -> None:
    mapped = read_squares(Path(shards))
    model = VAE(size=mapped.size)
    model.compile(optimizer=Muon(1e-3), jit_compile=False, steps_per_execution=STEPS_AT_ONCE)
    ways = {"mapped from the disk": mapped, "in memory": mapped[:]}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    reading: dict[str, list[float]] = {way: [] for way in ways}
    model.fit(Batches(mapped, BATCH, 0), epochs=1, verbose=0)  # compiles, and fills the system's cache
    for repeat in range(REPEATS):
        for way, images in ways.items():
            batches = Batches(images, BATCH, repeat)
            start = time.perf_counter()
            for number in range(len(batches)):
                batches[number]
            reading[way].append(time.perf_counter() - start)
            start = time.perf_counter()
            model.fit(batches, epochs=1, verbose=0)
            seconds[way].append(time.perf_counter() - start)
    print(f"{len(mapped)} images of {mapped.size}x{mapped.size}, batches of {BATCH}:\n")
    print("| images | seconds an epoch | spread | reading them alone |\n| --- | --- | --- | --- |")
    for way, found in seconds.items():
        middle = statistics.median(found)
        spread = 50 * (max(found) - min(found)) / middle
        print(f"| {way} | {middle:.2f} | ±{spread:.0f}% | {statistics.median(reading[way]):.3f} |")
    print(
        "\n| images of 16x16 | peak of the training stage, MiB | of it images, MiB |\n| --- | --- | --- |", flush=True
    )
    for count in (2_000, 20_000, 200_000):
        with tempfile.TemporaryDirectory() as folder:
            source = write_shards(Path(folder) / "shards", count, 16)
            places = ("--input", source, "--output", f"{folder}/vae.keras", "--curves", f"{folder}/curves")
            peak = peak_memory(STAGES / "train.py", *places, *FLAGS)
            size = sum(file.stat().st_size for file in source.glob("*.npy"))
        print(f"| {count:,} | {peak / MIB:.0f} | {size / MIB:.0f} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
