"""Each stage run by hand: what it writes, what it refuses, and that it leaves nothing half-written."""

import importlib
import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import cv2
import keras
import numpy as np
import pytest

from conftest import ROOT, STAGES, TINY, assert_refused, flags, run_stage, tree, write_images
from imagevae.dataset.squares import read_squares
from imagevae.model.archive import load_model, save_model
from imagevae.model.vae import VAE


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    write_images(tmp_path / "pictures", 3)
    return tmp_path / "pictures"


def read(file: Path) -> np.ndarray:
    return cv2.imread(str(file), cv2.IMREAD_UNCHANGED)


# The command line


@pytest.mark.parametrize("stage", STAGES)
def test_help_explains_each_flag_without_loading_anything_heavy(stage: str):
    code = f"""
import sys, runpy
sys.argv = ["{stage}.py", "--help"]
sys.path.insert(0, "stages")
try:
    runpy.run_path("stages/{stage}.py", run_name="__main__")
except SystemExit as end:
    assert end.code == 0
assert not {{"tensorflow", "keras", "cv2", "numpy", "PIL", "dvclive"}} & set(sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    for name, option in flags(stage).items():
        assert f"--{name} " in result.stdout
        assert option.help
    for option in flags(stage).values():
        if option.type.name in ("integer", "float"):
            raise AssertionError(f"{option.name} has no range")


@pytest.mark.parametrize("stage", STAGES)
def test_a_wrong_command_line_is_refused_in_one_line(stage: str, tmp_path: Path):
    assert_refused(run_stage(stage), "--")  # paths are missing
    assert_refused(run_stage(stage, "--nonsense", 1), "--nonsense")
    paths = []
    for name, option in flags(stage).items():
        if option.required:
            paths += [f"--{name}", tmp_path / f"{name}.keras"]
    for name, option in flags(stage).items():
        if isinstance(option.type, click.Path):
            continue
        for value in ("nonsense", "-1", "nan", "inf", "1e99"):
            if value == "-1" and option.type.name == "colour":
                value = "#12345"
            assert_refused(run_stage(stage, *paths, f"--{name}={value}"), f"--{name}")
    assert list(tmp_path.iterdir()) == []


# rgba2rgb and resize


def test_rgba2rgb_composites_and_keeps_subfolders_and_every_name(tmp_path: Path):
    source = tmp_path / "in put"
    names = ["a.png", "a.bmp", "ü ñ/b.c.png", "ü ñ/a.png", "B.PNG"]
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((5, 7, 4), np.uint8)
        pixels[:] = (10, 20, 30, 255 if name.endswith("bmp") else 0)  # BGRA
        (source / name).write_bytes(cv2.imencode(Path(name).suffix.lower(), pixels)[1].tobytes())
    (source / "notes.txt").write_text("no image")
    result = run_stage("rgba2rgb", "--input", source, "--output", tmp_path / "out", "--background", "#010203")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == f"{source}: 1 file or folder left aside: 1 .txt\n"
    assert set(tree(tmp_path / "out")) == {"a.png", "a.bmp.png", "ü ñ/b.c.png", "ü ñ/a.png", "B.PNG"}
    assert (read(tmp_path / "out" / "a.png") == (3, 2, 1)).all()
    assert (read(tmp_path / "out" / "a.bmp.png") == (10, 20, 30)).all()


@pytest.mark.parametrize("form", ["files", "shards"])
def test_images_that_are_rgb_already_are_kept_as_they_are_and_resize_the_same(form: str, tmp_path: Path):
    """A photograph gives the same small image as the PNG of its pixels."""
    for folder in ("kept", "anew"):
        (tmp_path / folder).mkdir()
    for seed in range(3):
        pixels = cv2.resize(np.random.default_rng(seed).integers(0, 256, (5, 4, 3), np.uint8), (60, 50))
        photograph = cv2.imencode(".jpg", pixels)[1]
        (tmp_path / "kept" / f"{seed}.jpg").write_bytes(photograph.tobytes())
        cv2.imwrite(str(tmp_path / "anew" / f"{seed}.bmp"), cv2.imdecode(photograph, cv2.IMREAD_COLOR))
    for folder in ("kept", "anew"):
        rgb, small = tmp_path / f"{folder} rgb", tmp_path / f"{folder} small"
        for stage, source, output in (("rgba2rgb", tmp_path / folder, rgb), ("resize", rgb, small)):
            result = run_stage(stage, "--input", source, "--output", output, "--format", form)
            assert (result.returncode, result.stderr) == (0, "")
    if form == "files":
        assert tree(tmp_path / "kept rgb") == tree(tmp_path / "kept")
        assert [read(tmp_path / "kept small" / f"{seed}.jpg.png").tobytes() for seed in range(3)] == [
            read(tmp_path / "anew small" / f"{seed}.bmp.png.png").tobytes() for seed in range(3)
        ]
    else:
        arrays = [np.load(tmp_path / f"{folder} small" / "00000-of-00001.npy") for folder in ("kept", "anew")]
        assert np.array_equal(*arrays)


@pytest.mark.parametrize("stage", ["rgba2rgb", "resize"])
def test_image_stages_give_the_same_bytes_each_time(stage: str, pictures: Path, tmp_path: Path):
    before = tree(pictures)
    for output in ("out", "out", "new/out"):
        arguments = ("--input", pictures, "--output", tmp_path / output, "--contact_sheet", tmp_path / "sheet.png")
        assert run_stage(stage, *arguments).returncode == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "new/out")
    assert tree(pictures) == before
    assert read(tmp_path / "sheet.png") is not None


def test_resize_gives_squares_of_the_size(pictures: Path, tmp_path: Path):
    for size in (8, 33):
        out = tmp_path / str(size)
        assert run_stage("resize", "--input", pictures, "--output", out, "--size", size).returncode == 0
        assert {read(out / name).shape for name in tree(out)} == {(size, size, 3)}


@pytest.mark.parametrize("stage", ["rgba2rgb", "resize"])
def test_image_stages_refuse_bad_input_and_write_nothing(stage: str, pictures: Path, tmp_path: Path):
    def refused(source: Path, output: Path, *culprits: object) -> None:
        before = tree(tmp_path)
        assert_refused(run_stage(stage, "--input", source, "--output", output), *culprits)
        assert tree(tmp_path) == before

    out = tmp_path / "out"
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "missing", out, tmp_path / "missing")
    refused(tmp_path / "empty", out, tmp_path / "empty")
    refused(pictures, pictures, "--output")
    refused(pictures, pictures / "below", "--output")
    refused(pictures, tmp_path, "--output")
    whole = read(pictures / "0002.png")
    for kind in (".png", ".jpg", ".webp", ".bmp", ".tiff", ".gif"):
        content = cv2.imencode(kind, whole)[1].tobytes()
        for damaged in (b"", b"no image", content[: len(content) // 2]):
            (pictures / f"0002{kind}").write_bytes(damaged)
            refused(pictures, out, f"0002{kind}")
        (pictures / f"0002{kind}").unlink()
    assert not out.exists()


def on_a_full_disk(folder: Path, stage: str, *arguments: object) -> subprocess.CompletedProcess:
    """Run a stage where `folder` is a file system of 8 KiB, and print what is left in it."""
    folder.mkdir()
    words = [sys.executable, ROOT / "stages" / f"{stage}.py", *arguments]
    script = 'mount -t tmpfs -o size=8k none "$0" && { "$@"; status=$?; find "$0" -type f; exit $status; }'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, folder, *words]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL)


CAN_MOUNT = subprocess.run(
    ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True
)


@pytest.mark.skipif(CAN_MOUNT.returncode != 0, reason="this machine lets no user mount a small file system")
@pytest.mark.parametrize("stage", ["rgba2rgb", "resize", "robots", "train", "sample", "evaluate"])
def test_a_full_disk_is_named_and_nothing_half_written_stays(
    stage: str, tmp_path: Path, squares: Path, model_file: Path
):
    disk = tmp_path / "disk"
    write_images(tmp_path / "pictures", 8, size=256)
    arguments = {
        "rgba2rgb": ("--input", tmp_path / "pictures", "--output", disk / "out"),
        "resize": ("--input", tmp_path / "pictures", "--output", disk / "out", "--size", 512),
        "robots": ("--output", disk / "out", "--factors", disk / "factors.csv", "--count", 20),
        "train": ("--input", squares, "--output", disk / "vae.keras", "--curves", tmp_path / "curves", *TINY),
        "sample": ("--model", model_file, "--output", disk / "out", "--count", 5000),
        "evaluate": (
            *("--model", model_file, "--images", squares, "--samples", squares),
            *("--output", tmp_path / "metrics.json", "--pictures", disk / "pictures", "--shown", 40),
        ),
    }[stage]
    if stage == "train":
        arguments += ("--width", 16)
    result = on_a_full_disk(disk, stage, *arguments)
    assert_refused(result, disk, "No space left on device")
    assert result.stdout == ""


# train, sample and evaluate


def test_train_writes_a_model_that_describes_itself_and_curves(model_file: Path):
    model = load_model(model_file)
    assert (model.size, model.latent_dim, model.held_out) == (16, 2, 0.3)
    curves = tree(model_file.parent / "curves")
    for kind in ("train", "held_out"):
        for term in ("loss", "reconstruction", "kl", "texture"):
            lines = curves[f"plots/metrics/{kind}/{term}.tsv"].decode().splitlines()
            assert len(lines) == 1 + 30
    last = json.loads(curves["metrics.json"])
    for terms in (last["train"], last["held_out"]):
        weighed = terms["reconstruction"] + terms["kl"] / 2 + terms["texture"]
        assert terms["loss"] == pytest.approx(weighed, rel=2e-5)


def test_train_refuses_bad_input_and_writes_no_model(squares: Path, tmp_path: Path):
    def refused(source: Path, *culprits: object, **changes: object) -> None:
        flags = dict(zip(TINY[::2], TINY[1::2], strict=True)) | {f"--{name}": value for name, value in changes.items()}
        more = [word for pair in flags.items() for word in pair]
        file = tmp_path / "new" / "vae.keras"
        assert_refused(
            run_stage("train", "--input", source, "--output", file, "--curves", tmp_path / "c", *more), *culprits
        )
        assert not file.parent.exists()

    refused(squares, squares, "held_out", held_out=1e-9)
    refused(tmp_path / "missing", tmp_path / "missing")
    mixed = tmp_path / "mixed"
    shutil.copytree(squares, mixed)
    write_images(mixed / "z", 1, size=20)
    refused(mixed, "0000.png", "20x20", "16x16")
    write_images(tmp_path / "oblong", 1)
    cv2.imwrite(str(tmp_path / "oblong" / "0000.png"), np.zeros((8, 9, 3), np.uint8))
    refused(tmp_path / "oblong", "9x8")
    refused(squares, "learning_rate", learning_rate=10, batch_size=1)
    result = run_stage("train", "--input", squares, "--output", tmp_path / "vae.h5", "--curves", tmp_path / "c", *TINY)
    assert_refused(result, "vae.h5", ".keras")


def test_train_with_weights_of_zero(squares: Path, tmp_path: Path):
    file, curves = tmp_path / "vae.keras", tmp_path / "curves"
    weights = ("--kl_weight", 0, "--texture_weight", 0)
    result = run_stage("train", "--input", squares, "--output", file, "--curves", curves, *TINY, *weights)
    assert result.returncode == 0, result.stderr
    last = json.loads((curves / "metrics.json").read_text())
    assert last["train"]["loss"] == last["train"]["reconstruction"]


def test_samples_depend_on_their_flags_and_not_on_the_count(model_file: Path, tmp_path: Path):
    def sample(name: str, *arguments: object) -> dict[str, bytes]:
        result = run_stage("sample", "--model", model_file, "--output", tmp_path / name, *arguments)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        return tree(tmp_path / name)

    many = sample("many", "--count", 70, "--pictures", tmp_path / "pictures")
    few = sample("few", "--count", 3)
    assert len(many) == 70
    assert few == {name: many[name] for name in few}
    assert sample("other", "--count", 3, "--seed", 1) != few
    assert sample("guided", "--count", 3, "--guidance", 3) != few
    assert len(set(sample("cold", "--count", 3, "--temperature", 0).values())) == 1
    sample("shards", "--count", 70, "--format", "shards")
    in_shards = read_squares(tmp_path / "shards")
    assert np.array_equal(in_shards[np.arange(70)], read_squares(tmp_path / "many")[np.arange(70)])
    assert read(tmp_path / "pictures" / "samples.png").shape == (8 * 16, 8 * 16, 3)
    assert read(tmp_path / "pictures" / "manifold.png").shape == (19 * 16, 19 * 16, 3)
    assert read(tmp_path / "pictures" / "traversal.png").shape[1] == 9 * 16


@pytest.fixture
def sample(model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> Callable[..., dict[str, bytes]]:
    """Run stages/sample.py in this process, which has Keras already, and give the files that it makes."""

    def run(*arguments: object) -> dict[str, bytes]:
        words = ["--model", model_file, "--output", tmp_path / "made", *arguments]
        importlib.import_module("sample").main.main([str(word) for word in words], standalone_mode=False)
        made = tree(tmp_path / "made")
        shutil.rmtree(tmp_path / "made")
        return made

    return run


def test_latents_of_images_of_any_kind_are_those_of_the_resized_ones(
    sample: Callable[..., dict[str, bytes]], model_file: Path, tmp_path: Path
):
    """A folder, what the image stages make of it, files or shards, and a zip of it are the same to a model."""
    write_images(tmp_path / "any" / "sub", 70, size=40)
    oblong = np.random.default_rng(0).integers(0, 256, (30, 20, 4), np.uint8)
    cv2.imwrite(str(tmp_path / "any" / "a.png"), oblong)
    shutil.make_archive(str(tmp_path / "any"), "zip", tmp_path / "any")
    flags = ("--fit", "crop", "--background", "white")
    for form in ("files", "shards"):
        words = ("--input", tmp_path / "any", "--output", tmp_path / form, "--size", 16, "--format", form)
        assert run_stage("resize", *words, *flags).returncode == 0
    tables = [sample("--encode", tmp_path / name, *flags) for name in ("any", "any.zip", "files", "shards")]
    assert all(table == tables[0] for table in tables)
    assert sample("--encode", tmp_path / "any") != tables[0]
    header, first, *others = tables[0]["latents.csv"].decode().splitlines()
    assert header == "file,z_mean_0,z_mean_1,z_log_sigma_0,z_log_sigma_1"
    assert len(others) == 70
    name, *numbers = first.split(",")
    assert name == "a.png"
    both = load_model(model_file).encode(read_squares(tmp_path / "files")[[0]])
    expected = np.concatenate([keras.ops.convert_to_numpy(values)[0] for values in both])
    assert [float(number) for number in numbers] == pytest.approx(expected, abs=1e-5)


def test_a_folder_is_reconstructed_from_its_latents(
    sample: Callable[..., dict[str, bytes]], squares: Path, model_file: Path, tmp_path: Path
):
    made = sample("--reconstruct", squares)
    assert set(made) == set(tree(squares))
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    model, images = load_model(model_file), read_squares(squares)[np.arange(40)]
    expected = keras.ops.convert_to_numpy(model.decode(model.encode(images)[0]))
    assert read_squares(tmp_path)[np.arange(40)] / 255 == pytest.approx(np.clip(expected, 0, 1), abs=0.51 / 255)
    assert set(sample("--reconstruct", squares, "--format", "shards")) == {"00000.npy", "manifest.jsonl"}


def test_an_interpolation_leads_from_image_to_image(sample: Callable[..., dict[str, bytes]], squares: Path):
    first, last = squares / "0000.png", squares / "0001.png"
    made = sample("--interpolate", first, last)
    assert set(made) == {"strip.png", "animation.png"}
    assert made == sample("--interpolate", first, last)
    strip = cv2.imdecode(np.frombuffer(made["strip.png"], np.uint8), cv2.IMREAD_COLOR)
    assert strip.shape == (16, 11 * 16 + 4, 3)
    assert np.array_equal(strip[:, :16], read(first))
    assert np.array_equal(strip[:, -16:], read(last))


def test_traversal_and_manifold_show_a_row_for_each_latent_and_the_plane(
    sample: Callable[..., dict[str, bytes]], capsys: pytest.CaptureFixture
):
    made = sample("--traverse")
    said = capsys.readouterr().out
    rows = said.rpartition(":")[2].split()
    assert said.startswith(f"{len(rows)} of 2 latents are active")
    picture = cv2.imdecode(np.frombuffer(made["traversal.png"], np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (16 * len(rows), 9 * 16, 3)
    assert set(sample("--manifold")) == {"manifold.png"}


def test_modes_of_sample_refuse_what_makes_no_sense(model_file: Path, squares: Path, tmp_path: Path):
    def refused(*arguments: object, culprits: tuple[object, ...], model: Path = model_file) -> None:
        result = run_stage("sample", "--model", model, "--output", tmp_path / "out", *arguments)
        assert_refused(result, *culprits)
        assert not (tmp_path / "out").exists()

    refused("--traverse", "--manifold", culprits=("--traverse", "--manifold", "one at a time"))
    refused("--encode", squares, "--count", 3, culprits=("--count", "--encode"))
    refused("--fit", "crop", culprits=("--fit", "samples"))
    refused("--interpolate", squares / "0000.png", culprits=("--interpolate", "2"))
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "broken.png").write_bytes(b"no image")
    refused("--encode", tmp_path / "some", culprits=(tmp_path / "some" / "broken.png",))
    refused("--interpolate", squares / "0000.png", tmp_path / "none.png", culprits=("none.png",))
    save_model(VAE(size=8, network="vector", latent_dim=3, width=4), tmp_path / "three.keras")
    refused("--manifold", model=tmp_path / "three.keras", culprits=("three.keras", "3 latents"))


PEAK = """
import resource, subprocess, sys
status = subprocess.run([sys.executable, *sys.argv[1:]]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


@pytest.mark.slow
def test_a_hundred_thousand_samples_take_no_more_memory_than_two_thousand(tmp_path: Path):
    save_model(VAE(size=8, network="vector", latent_dim=2, width=4), tmp_path / "vae.keras")
    peaks = []
    for count in (2_000, 100_000):
        out = tmp_path / str(count)
        words = [ROOT / "stages" / "sample.py", "--model", tmp_path / "vae.keras", "--output", out, "--count", count]
        command = [sys.executable, "-c", PEAK, *words, "--format", "shards"]
        result = subprocess.run([str(word) for word in command], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        assert len(read_squares(out)) == count
        peaks.append(int(result.stdout))
    assert peaks[1] < peaks[0] + 30 * 1024, "KiB; the samples alone are 19 MB, their list another 40"
    shards = [np.load(tmp_path / str(count) / "00001.npy") for count in (2_000, 100_000)]
    assert np.array_equal(*shards)


def renamed(model: bytes, kind: str, other: str) -> bytes:
    """A saved model whose class is registered under another name."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(model)) as archive, zipfile.ZipFile(result, "w") as changed:
        for name in archive.namelist():
            content = archive.read(name)
            if name == "config.json":
                assert f"imagevae>{kind}".encode() in content
                content = content.replace(f"imagevae>{kind}".encode(), f"imagevae>{other}".encode())
            changed.writestr(name, content)
    return result.getvalue()


def test_sample_and_evaluate_refuse_damaged_and_foreign_models(model_file: Path, squares: Path, tmp_path: Path):
    content = model_file.read_bytes()
    keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "foreign.keras")
    files = {
        "missing.keras": None,
        "empty.keras": b"",
        "cut.keras": content[: len(content) // 2],
        "flipped.keras": content[:5000] + bytes([content[5000] ^ 255]) + content[5001:],
        "foreign.keras": (tmp_path / "foreign.keras").read_bytes(),
        "gaussian.keras": renamed(content, "LaplaceVAE", "VAE"),  # as models with a Gaussian decoder were saved
    }
    for name, content in files.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        assert_refused(run_stage("sample", "--model", tmp_path / name, "--output", tmp_path / "out"), name)
        assert not (tmp_path / "out").exists()
    arguments = ("--images", squares, "--samples", squares, "--output", tmp_path / "metrics.json")
    assert_refused(run_stage("evaluate", "--model", tmp_path / "cut.keras", *arguments), "cut.keras")
    assert not (tmp_path / "metrics.json").exists()


def test_evaluate_measures_held_out_images_and_refuses_those_of_another_size(
    model_file: Path, squares: Path, tmp_path: Path
):
    def evaluate(images: Path, samples: Path, *arguments: object) -> subprocess.CompletedProcess:
        out = ("--output", tmp_path / "metrics.json", "--pictures", tmp_path / "pictures")
        return run_stage("evaluate", "--model", model_file, "--images", images, "--samples", samples, *out, *arguments)

    larger = tmp_path / "larger"
    assert run_stage("resize", "--input", squares, "--output", larger, "--size", 20).returncode == 0
    assert_refused(evaluate(larger, squares), larger, "20x20", "16x16")
    assert_refused(evaluate(squares, larger), larger, "20x20", "16x16")
    assert not (tmp_path / "metrics.json").exists()

    network = keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()])
    network.save(tmp_path / "colour.keras")
    names = sorted(path.name for path in squares.iterdir())
    rows = [f"{name},{number % 3},{number % 2}\n" for number, name in enumerate(names)]
    (tmp_path / "factors.csv").write_text("".join(["file,a,b\n", *rows]))
    extras = ("--features", tmp_path / "colour.keras", "--factors", tmp_path / "factors.csv")
    result = evaluate(squares, squares, *extras)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    sections = metrics.pop("with_intervals")
    assert all(isinstance(value, int | float) for value in metrics.values())
    assert {"bits_per_dimension", "psnr", "kid_random", "fd_random", "fd_colour", "coverage", "mig"} <= set(metrics)
    figures = list(figures_in(sections))
    assert all(figure["low"] <= figure["value"] <= figure["high"] for figure in figures)
    assert all(0 < figure["n"] <= 40 for figure in figures)
    held_out = sections["likelihood"]["held_out"]
    assert metrics["elbo"] == held_out["elbo"]["value"]
    assert metrics["elbo"] == pytest.approx(-held_out["reconstruction"]["value"] - metrics["kl"], rel=1e-4)
    assert metrics["bits_per_dimension"] == pytest.approx(-metrics["elbo"] / np.log(2) / (16 * 16 * 3), rel=1e-4)
    assert 0 < held_out["elbo"]["n"] < 40
    pictures = tree(tmp_path / "pictures")
    assert set(pictures) == {
        "reconstructions.png",
        "samples.png",
        "suspects.png",
        "interpolations.png",
        "kl_per_unit.tsv",
    }
    table = pictures["kl_per_unit.tsv"].decode().splitlines()
    assert table[0].split("\t") == ["rank", "unit", "low", "high", "kl"]
    assert len(table) == 1 + 2
    first = (tmp_path / "metrics.json").read_bytes()
    assert evaluate(squares, squares, *extras).returncode == 0
    assert (tmp_path / "metrics.json").read_bytes() == first
    (tmp_path / "none").write_bytes(b"")
    assert evaluate(squares, squares, "--features", tmp_path / "none", "--factors", tmp_path / "none").returncode == 0
    without = json.loads((tmp_path / "metrics.json").read_text())
    assert set(metrics) - set(without) == {"fd_colour", "kid_colour", "mig"}
    assert_refused(evaluate(squares, squares, "--features", model_file), model_file)


def figures_in(section: object) -> Iterator[dict]:
    if isinstance(section, dict):
        if "value" in section:
            yield section
        for entry in section.values():
            yield from figures_in(entry)


def test_evaluate_tells_of_a_run_by_hand_with_what_it_is_given(model_file: Path, squares: Path, tmp_path: Path):
    """Without DVC, manifests or pictures there is a report too; what is given must be what it is said to be."""

    def evaluate(*arguments: object) -> subprocess.CompletedProcess:
        both = ("--report", tmp_path / "report.html", "--model_card", tmp_path / "card.md")
        folders = ("--images", squares, "--samples", squares, "--output", tmp_path / "metrics.json")
        return run_stage("evaluate", "--model", model_file, *folders, *both, *arguments)

    assert_refused(evaluate("--curves", squares), squares, "curves")
    (tmp_path / "manifest.jsonl").write_text("nonsense")
    assert_refused(evaluate("--originals", tmp_path / "manifest.jsonl"), "manifest.jsonl")
    assert not (tmp_path / "report.html").exists()
    result = evaluate("--curves", model_file.parent / "curves" / "plots" / "metrics")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    for file in ("report.html", "card.md"):
        text = (tmp_path / file).read_text()
        for told in ("learning_rate", "0.01", "latent_dim", "flow_guidance", "held_out", "draws"):
            assert told in text
    assert "KL divergence from the prior" in (tmp_path / "report.html").read_text()
