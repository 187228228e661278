"""Memory and time of `explore.py strange` and `explore.py app` for folders of many small images. Prints Markdown.

    python tests/benchmarks/many_images.py 20000 200000

Images are random, of 16 x 16 pixels, in shards; the model is a small one that was not trained, with codes of 64 numbers
as a trained one has. What it takes to have the page ready is measured, before anybody opens it. Linux only.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "stages"), str(ROOT / "tests")]
from peak_memory import MIB, peak_memory  # noqa: E402
from shard_files import write_shards  # noqa: E402

SIZE = 16
MODEL = dict(size=SIZE, network="spatial", latent_dim=64, width=8, axis_count=64)
FITTED = dict(densities={"flow": 1.0}, sampler="flow", flow_width=64)
EXPLORE = str(ROOT / "stages" / "explore.py")


def save(file: Path) -> None:
    """Save the model, in a process of its own: this one stays small."""
    code = (
        "from pathlib import Path; from imagevae.model.backend import start_keras; start_keras(0); "
        "from imagevae.model.archive import save_model; from imagevae.model.vae import VAE; "
        f"save_model(VAE(**{MODEL | FITTED}), Path({str(file)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT / "stages")


def strange(model: Path, images: Path) -> int:
    """Peak memory of looking for odd images, in bytes."""
    output = images.with_name(f"{images.name} strange")
    return peak_memory(EXPLORE, "strange", "--model", model, "--images", images, "--output", output)


def app(model: Path, images: Path) -> int:
    """Peak memory of the page until it is ready, in bytes."""
    words = ["app", "--port", "0", "--model", str(model), "--images", str(images)]
    with running([sys.executable, EXPLORE, *words]) as server:
        assert server.stdout
        assert "is ready" in server.stdout.readline()
        status = Path(f"/proc/{server.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024


@contextmanager
def running(words: list[str]) -> Iterator[subprocess.Popen]:
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.terminate()


def main() -> None:
    print("| images | strange, MiB | minutes | app, MiB | minutes |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as name:
        model = Path(name) / "vae.keras"
        save(model)
        for count in map(int, sys.argv[1:]):
            images, cells = write_shards(Path(name) / str(count), count, SIZE), [f"{count:,}"]
            for command in (strange, app):
                begin = perf_counter()
                cells += [f"{command(model, images) / MIB:.0f}", f"{(perf_counter() - begin) / 60:.1f}"]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
