"""Time and memory of the image stages beside other ways, in one table: `make bench`; see docs/benchmarks.md."""

import argparse
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import PIL
from pictures import write_pictures, write_tiles

from conftest import ROOT, Project

HERE = Path(__file__).parent
SIZE = 64
Step = Callable[[Path, Path], list[list[str]]]  # the commands that convert one folder to another


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1, help="share of the images to use, for a quick look")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, of which the medians are shown")
    parser.add_argument("--only", choices=["conversion", "pipeline", "memory"], help="one part of the table")
    arguments = parser.parse_args()
    pictures = Path(tempfile.gettempdir()) / f"imagevae-pictures-{arguments.scale:g}"
    print_versions()
    with tempfile.TemporaryDirectory() as folder:
        for part in (conversion, pipeline, memory):
            if arguments.only in (None, part.__name__):
                part(pictures, Path(folder) / part.__name__, arguments.scale, arguments.repeats)


def print_versions() -> None:
    cores = len(os.sched_getaffinity(0))
    print(f"{' '.join(sys.argv)}\n{cores} cores, {processor()}, Python {platform.python_version()}", end="")
    print(f", OpenCV {cv2.__version__}, Pillow {PIL.__version__}", end="")
    print(f", DVC {output_of('dvc', '--version')}", end="")
    if shutil.which("mogrify"):
        print(f", ImageMagick {output_of('mogrify', '--version').split()[2]}", end="")
    if shutil.which("vipsthumbnail"):
        print(f", {output_of('vips', '--version').replace('vips-', 'libvips ')}", end="")
    print()


def processor() -> str:
    named = [line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return named[0] if named else platform.processor()


def output_of(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]


def heading(title: str, *columns: str) -> None:
    print(f"\n{title:56}" + "".join(f"{column:>12}" for column in columns), flush=True)


def row(title: str, *cells: str) -> None:
    print(f"  {title:54}" + "".join(f"{cell:>12}" for cell in cells), flush=True)


def spread(seconds: list[float]) -> str:
    return f"±{50 * (max(seconds) - min(seconds)) / statistics.median(seconds):.0f}%"


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def processor_time() -> float:
    """Seconds that this process and those that it waited for have spent on processors."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


# Both image stages, from scratch


def conversion(pictures: Path, folder: Path, scale: float, repeats: int) -> None:
    """Both image stages over large RGBA PNGs and over photographs, against other ways of doing the same."""
    for name, count, height, width, kind in (
        ("RGBA PNGs of 1280x1280", 300, 1280, 1280, "png"),
        ("JPEG photographs of 400x533", 3000, 533, 400, "jpg"),
    ):
        source, whole = pictures / kind, max(2, round(scale * count))
        write_pictures(source, whole, height, width, kind)
        for file in source.iterdir():
            file.read_bytes()  # all begin with the files in memory
        compare(f"{whole} {name}", source, folder / kind, repeats, whole, kind)


def compare(title: str, source: Path, folder: Path, repeats: int, whole: int, kind: str) -> None:
    """Time each way, in turns; slow ones over a part of the images, from which the time for all is reckoned."""
    slow = 30 if kind == "png" else 10  # of the images, one in so many
    ways: dict[str, tuple[Callable[[Path, Path], None], int]] = {
        "dvc-vae, shards": (commands(stages("shards")), whole),
        "bare decoding and encoding, in threads": (bare(kind, resized=False), whole),
        "the same, and OpenCV's area resize": (bare(kind, resized=True), whole),
        "two simple scripts": (commands(simple), max(2, 3 * whole // slow)),
    }
    if shutil.which("mogrify"):
        ways["ImageMagick mogrify"] = commands(mogrify), max(2, whole // slow)
    if shutil.which("vipsthumbnail"):
        ways["vipsthumbnail"] = commands(vips), max(2, whole // slow)
    sources = {count: part(source, folder / f"{count}", count) for count in {1, *(count for _, count in ways.values())}}
    first: dict[str, list[float]] = {way: [] for way in ways}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    busy: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, (convert, count) in ways.items():
            first[way].append(timed(partial(convert, sources[1], fresh(folder / "out"))))
            begun = processor_time()
            seconds[way].append(timed(partial(convert, sources[count], fresh(folder / "out"))))
            busy[way].append((processor_time() - begun) * whole / count)
    # Seconds are for all images. "work" leaves out what a run over one image takes. "times ours" compares seconds, and
    # then work. "processor" is the time spent on all cores together, which other programs on the machine change least.
    heading(title, "timed over", "seconds", "spread", "times ours", "work", "times ours", "processor")
    ours = next(iter(ways))
    whole_times = {}
    for way, (_, count) in ways.items():
        begin = statistics.median(first[way])
        work = (statistics.median(seconds[way]) - begin) * (whole - 1) / max(1, count - 1)
        whole_times[way] = begin + work, work
        ratios = [f"{mine / other:.2f}" for mine, other in zip(whole_times[way], whole_times[ours], strict=True)]
        cells = f"{begin + work:.2f}", spread(seconds[way]), ratios[0], f"{work:.2f}", ratios[1]
        row(way, f"{count}", *cells, f"{statistics.median(busy[way]):.2f}")
    for tool, package in (("mogrify", "imagemagick"), ("vipsthumbnail", "libvips-tools")):
        if not shutil.which(tool):
            row(f"{tool}: not installed, apt-get install {package}")


def part(source: Path, folder: Path, count: int) -> Path:
    """A folder of links to some of the files, of their names."""
    folder.mkdir(parents=True)
    for file in sorted(source.iterdir())[:count]:
        (folder / file.name).symlink_to(file)
    return folder


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def commands(step: Step) -> Callable[[Path, Path], None]:
    def run(source: Path, folder: Path) -> None:
        for command in step(source, folder):
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)

    return run


def stages(form: str) -> Step:
    def step(source: Path, folder: Path) -> list[list[str]]:
        rgb, small = f"{folder}/rgb", f"{folder}/small"
        python = [sys.executable, f"{ROOT}/stages/"]
        first = [python[0], f"{python[1]}rgba2rgb.py", "--input", str(source), "--output", rgb, "--format", form]
        second = [python[0], f"{python[1]}resize.py", "--input", rgb, "--output", small, "--format", form]
        return [first, [*second, "--fit", "stretch", "--size", str(SIZE)]]

    return step


def simple(source: Path, folder: Path) -> list[list[str]]:
    rgb, small = f"{folder}/rgb", f"{folder}/small"
    scripts = [f"{HERE}/simple/{name}.py" for name in ("RGBA2RGB", "resize")]
    return [
        [sys.executable, scripts[0], "--input", str(source), "--output", rgb],
        [sys.executable, scripts[1], "--input", rgb, "--output", small, "--size", str(SIZE)],
    ]


def mogrify(source: Path, folder: Path) -> list[list[str]]:
    rgb, small = fresh(folder / "rgb"), fresh(folder / "small")
    names = sorted(file.name for file in source.iterdir())
    flat = ["mogrify", "-path", str(rgb), "-background", "black", "-alpha", "remove", "-alpha", "off"]
    scaled = ["mogrify", "-path", str(small), "-scale", f"{SIZE}x{SIZE}!"]
    return [[*flat, *(f"{source}/{name}" for name in names)], [*scaled, *(f"{rgb}/{name}" for name in names)]]


def vips(source: Path, folder: Path) -> list[list[str]]:
    rgb, small = fresh(folder / "rgb"), fresh(folder / "small")
    names = sorted(file.name for file in source.iterdir())
    scaled = ["vipsthumbnail", "--size", f"{SIZE}x{SIZE}!", "--output", f"{small}/%s.png"]
    flat = [["vips", "flatten", f"{source}/{name}", f"{rgb}/{name}[compression=1]"] for name in names]
    if names[0].endswith("jpg"):  # which has no alpha; it writes them anew, as the others do
        flat = [["vipsthumbnail", "--size", "9999x9999>", "--output", f"{rgb}/%s.jpg"]]
        flat[0] += [f"{source}/{name}" for name in names]
    return [*flat, [*scaled, *(f"{rgb}/{name}" for name in names)]]


PNG_WAYS = [
    (cv2.IMWRITE_PNG_STRATEGY, strategy, cv2.IMWRITE_PNG_FILTER, kind)
    for strategy in (cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY, cv2.IMWRITE_PNG_STRATEGY_RLE)
    for kind in (cv2.IMWRITE_PNG_FILTER_SUB, cv2.IMWRITE_PNG_FILTER_UP, cv2.IMWRITE_PNG_FILTER_AVG)
]


def bare(kind: str, resized: bool) -> Callable[[Path, Path], None]:
    """The calls that no implementation can do without, in as many threads as there are cores.

    A photograph is decoded once. A PNG with alpha is decoded, its RGB encoded and decoded again, by the settings that
    compress and take the least time.

    Args:
        resized: whether to resize the images too, by one call of OpenCV's.
    """

    def finish(pixels: np.ndarray) -> None:
        if resized:
            cv2.resize(pixels, (SIZE, SIZE), interpolation=cv2.INTER_AREA)

    def photograph(file: Path) -> None:
        finish(cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_UNCHANGED))

    def transparent(file: Path, settings: tuple[int, ...]) -> None:
        pixels = cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_UNCHANGED)
        _, written = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_BGRA2BGR), settings)
        finish(cv2.imdecode(written, cv2.IMREAD_UNCHANGED))

    def run(source: Path, folder: Path) -> None:
        cv2.setNumThreads(1)
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(work, sorted(source.iterdir())))

    work: Callable[[Path], None] = photograph
    if kind == "png":
        settings: list[tuple[int, ...]] = []

        def work(file: Path) -> None:
            if not settings:
                settings.append(min(PNG_WAYS, key=lambda way: timed(partial(transparent, file, way))))
            transparent(file, settings[0])

    return run


# One of many images changes


# Each stage tells its time and processor time, in seconds, and the most memory that it took, in KiB. (What the kernel
# tells to the process that waits for it contains the memory of that process at the start.)
MEASURE = """
import atexit, os, sys, time
start = time.perf_counter()
def save():
    with open("/proc/self/status") as status, open(os.environ["MEASURED"], "a") as file:
        [peak] = [line.split()[1] for line in status if line.startswith("VmHWM")]
        file.write(f"{time.perf_counter() - start} {time.process_time()} {peak}\\n")
if "stages/" in sys.argv[0]:
    atexit.register(save)
"""


def measuring(folder: Path) -> dict[str, str]:
    """An environment in which stages append their figures to the file `measured` of the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(MEASURE)
    return {"PYTHONPATH": str(folder), "MEASURED": str(folder / "measured")}


def figures(folder: Path) -> list[tuple[float, float, int]]:
    """Seconds, those on processors, and KiB of the stages that ran since the last call, in their order."""
    measured = folder / "measured"
    lines = [line.split() for line in measured.read_text().splitlines()] if measured.exists() else []
    measured.unlink(missing_ok=True)
    return [(float(seconds), float(busy), int(peak)) for seconds, busy, peak in lines]


def pipeline(pictures: Path, folder: Path, scale: float, repeats: int) -> None:
    """`dvc repro resize` after a change of one of many images, and after none, with shards and with files."""
    count = max(20, round(scale * 20000))
    write_pictures(pictures / "small", count, 96, 96, "png")
    title = f"{count} RGBA PNGs of 96x96, dvc repro resize"
    projects = {form: project(pictures / "small", folder / form, form) for form in ("shards", "files")}
    for each in projects.values():
        each.environment |= measuring(folder)
    own: dict[str, list[tuple[float, float]]] = {}
    heading(title, "shards", "spread", "processor", "files", "spread", "processor", "times shards")
    for change in ("the first run", "one added", "one edited", "one deleted", "nothing to do"):
        seconds: dict[str, list[float]] = {form: [] for form in projects}
        busy: dict[str, list[float]] = {form: [] for form in projects}
        for number in range(1 if change == "the first run" else repeats):
            for form, each in projects.items():
                if number and form == "files" and change != "nothing to do":
                    continue  # it does all work anew whatever the change is: once each will do
                alter(each.folder / "data" / "mine", change, number)
                begun = processor_time()
                seconds[form].append(timed(partial(each.dvc, "repro", "resize")))
                busy[form].append(processor_time() - begun)
                measured = figures(folder)
                if form == "shards":
                    own.setdefault(change, []).append(total(measured))
        shards, files = (statistics.median(seconds[form]) for form in projects)
        cells = [
            cell
            for form in projects
            for cell in (
                f"{statistics.median(seconds[form]):.2f}",
                spread(seconds[form]),
                f"{statistics.median(busy[form]):.2f}",
            )
        ]
        row(change, *cells, f"{files / shards:.1f}")
        if change == "the first run":
            full = shards, busy["shards"][0]
    few = project(part(pictures / "small", folder / "few", 2), folder / "small", "shards")
    few.environment |= measuring(folder)
    few.dvc("repro", "resize")
    figures(folder)
    least = []  # what the stages take over hardly any images: starting Python, looking at DVC's records
    for number in range(repeats):
        alter(few.folder / "data" / "mine", "one added", number)
        few.dvc("repro", "resize")
        least.append(total(figures(folder)))
    begin = [statistics.median(each) for each in zip(*least, strict=True)]
    heading("of it the stages' own processes, with shards", "seconds", "of full run", "processor", "of full run")
    for change in list(own)[:-1]:
        values = [statistics.median(each) for each in zip(*own[change], strict=True)]
        for title, taken in ((change, [0.0, 0.0]), ("    start-up apart", begin)):
            left = [value - off for value, off in zip(values, taken, strict=True)]
            cells = [(f"{value:.2f}", f"{100 * value / whole:.1f}%") for value, whole in zip(left, full, strict=True)]
            row(title, *cells[0], *cells[1])


def total(measured: list[tuple[float, float, int]]) -> tuple[float, float]:
    """Seconds, and those on processors, of several processes."""
    return sum(one[0] for one in measured), sum(one[1] for one in measured)


def project(images: Path, folder: Path, form: str) -> Project:
    made = Project.new(folder / "project")
    made.environment["DVC_NO_ANALYTICS"] = "1"
    shutil.copytree(images, made.folder / "data" / "mine")
    made.change_params({"images": "data/mine"})
    declared = made.folder / "dvc.yaml"
    declared.write_text(declared.read_text().replace("--format shards", f"--format {form}"))
    return made


def alter(images: Path, change: str, number: int) -> None:
    files = sorted(images.iterdir())
    chosen = random.Random(number).choice(files)
    if change == "one added":
        write_pictures(images.with_name("new"), 1, 96, 96 + number + 1, "png")
        (images.with_name("new") / "00000.png").rename(images / f"new {number}.png")
        images.with_name("new").rmdir()
    elif change == "one edited":
        chosen.write_bytes(cv2.imencode(".png", cv2.flip(cv2.imread(str(chosen), cv2.IMREAD_UNCHANGED), 0))[1])
    elif change == "one deleted":
        chosen.unlink()


# Memory


def memory(pictures: Path, folder: Path, scale: float, repeats: int) -> None:
    """The most memory that the stages take, over some images, ten times and a hundred times as many."""
    counts = [max(2, round(scale * count)) for count in (2_000, 20_000, 200_000)]
    write_tiles(pictures / "tiles", counts[-1], 16)
    heading("Peak memory, RGBA PNGs of 16x16", *map(str, counts), "last / first")
    environment, peaks = {**os.environ, **measuring(folder)}, []
    for count in counts:
        source = part(pictures / "tiles", folder / f"{count}", count)
        for command in stages("shards")(source, fresh(folder / "out")):
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, env=environment)
        peaks.append([peak for *_, peak in figures(folder)])
    for stage, *cells in zip(("rgba2rgb", "resize"), *peaks, strict=True):
        row(stage, *(f"{peak / 1024:.0f} MiB" for peak in cells), f"{cells[-1] / cells[0]:.2f}x")


if __name__ == "__main__":
    main()
