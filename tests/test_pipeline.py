"""The pipeline as a user runs it: `dvc repro`, metrics, plots, experiments, and a colleague who pulls the model."""

import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest

from conftest import ROOT, Project, stages_run, tree, write_images
from imagevae.dataset.squares import read_squares
from imagevae.images.encoding import encode_png
from imagevae.images.manifest import read_rows

pytestmark = pytest.mark.slow


ALL = ["robots", "rgba2rgb", "resize", "train", "sample", "evaluate"]
FAST = ("--set-param", "train.flow_steps=0")


def test_two_runs_from_scratch_in_two_folders_give_the_same_bytes_and_a_third_has_nothing_to_do(
    reproduced: Project, tmp_path: Path
):
    clone = reproduced.clone_to(tmp_path / "a colleague's folder")
    for lock in ("dvc.lock", "data/dvc.lock"):
        (clone.folder / lock).unlink()
    assert stages_run(clone.dvc("repro", "--no-run-cache")) == ALL
    assert clone.digests() == reproduced.digests()
    assert "data/model" in clone.digests()
    assert clone.git("status", "--porcelain") == ""
    assert stages_run(clone.dvc("repro")) == []


def test_experiments_rerun_what_follows_show_in_the_diffs_and_run_from_the_queue(tiny: Project):
    """Where a parameter is changed back, nothing runs: the run cache has it all."""
    started = tiny.dvc("exp", "run", "--name", "other", "--set-param", "train.learning_rate=0.01", *FAST)
    assert stages_run(started) == ["train", "sample", "evaluate"]
    params = json.loads(tiny.dvc("params", "diff", "--json"))
    assert params["params.yaml"]["train.learning_rate"] == {"old": 0.002, "new": 0.01, "diff": 0.008}
    metrics = json.loads(tiny.dvc("metrics", "diff", "--json"))
    assert {"elbo", "bits_per_dimension", "psnr"} <= set(metrics["metrics/evaluate.json"])
    for command in (["show"], ["diff", "HEAD"]):
        page = tiny.dvc("plots", *command, "--out", "page").strip().removeprefix("file://")
        html = Path(page).read_text()
        revisions = ("workspace",) if command == ["show"] else ("workspace", "HEAD")
        learned = [f"train_plots_images_learning_{epoch}" for epoch in (1, 2, 3)]
        made = ["rgb", "resized", "sample_samples", "evaluate_samples", "evaluate_reconstructions"]
        for picture in made + learned:
            for revision in revisions:
                assert f'<img src="static/{revision}_metrics_{picture}.png">' in html
        for curve in ("Loss, nats per image", "Reconstruction, nats per image", "KL divergence"):
            assert curve in html
    shutil.rmtree(tiny.folder / "page")

    tiny.git("checkout", "--quiet", "--", ".")
    assert stages_run(tiny.dvc("repro")) == []
    assert tiny.git("status", "--porcelain") == ""

    tiny.dvc("exp", "run", "--queue", "--set-param", "evaluate.shown=5,6")
    tiny.dvc("queue", "start", "--jobs", "2")
    for name in queued(tiny):
        tiny.dvc("queue", "logs", name, "--follow")
    assert set(queued(tiny).values()) == {"Success"}
    shown = json.loads(tiny.dvc("exp", "show", "--json"))
    assert len([experiment for commit in shown for experiment in commit.get("experiments") or []]) == 3


def test_pictures_in_a_folder_of_their_own_are_used_and_the_demo_images_are_not_made(
    reproduced: Project, tmp_path: Path
):
    project = reproduced.clone_to(tmp_path / "clone")
    write_images(project.folder / "data" / "my pictures" / "sub folder", 12, size=24)
    project.change_params({"images": "data/my pictures", "sample": {"count": 3}, "train": {"flow_steps": 0}})
    assert stages_run(project.dvc("repro", "resize")) == ["rgba2rgb", "resize"]
    write_images(project.folder / "data" / "my pictures" / "another", 3, size=24, seed=1)
    assert stages_run(project.dvc("repro")) == ALL[1:]
    rows = list(read_rows(project.folder / "data" / "resized" / "manifest.jsonl"))
    names = [f"another/{number:04}.png" for number in range(3)] + [f"sub folder/{n:04}.png" for n in range(12)]
    assert [row.name for row in rows] == names
    assert not (project.folder / "data" / "robots").exists()
    project.dvc("add", "data/my pictures")
    assert stages_run(project.dvc("repro")) == []


COLOURS = ("red", "green", "blue")


def write_colours(folder: Path, count: int) -> None:
    """Write images that shade from a colour to darker ones, in a folder for each colour, and one without a folder."""
    noise = np.random.default_rng(0)
    for place, colour in enumerate(COLOURS):
        for number in range(count):
            levels = np.linspace(*noise.integers(120, 250, 2), 16).astype(np.uint8)
            pixels = np.zeros((16, 16, 3), np.uint8)
            pixels[:, :, place] = levels if number % 2 else levels[:, None]
            (folder / colour).mkdir(parents=True, exist_ok=True)
            (folder / colour / f"{number:03}.png").write_bytes(encode_png(pixels))
    (folder / "grey.png").write_bytes(encode_png(np.full((16, 16, 3), 99, np.uint8)))


def test_folders_are_classes_and_samples_are_of_the_class_asked_for(reproduced: Project, tmp_path: Path):
    """A moved image has another class; no image is decoded again for that. A table that is a dependency is one too."""
    project = reproduced.clone_to(tmp_path / "clone")
    images = project.folder / "data" / "mine"
    write_colours(images, 40)
    train = {"labels": "folders", "network": "mlp", "epochs": 15, "learning_rate": 0.01, "flow_steps": 125}
    project.change_params({"images": "data/mine", "train": train, "sample": {"count": 12, "label": "all"}})
    assert stages_run(project.dvc("repro")) == ALL[1:]
    samples = read_squares(project.folder / "data" / "samples")
    asked = [name.split("/")[0] for name in samples.names]
    assert asked == sorted([*COLOURS] * 12)
    told = [COLOURS[pixels.mean(axis=(0, 1)).argmax()] for pixels in samples]
    assert np.mean([one == other for one, other in zip(told, asked, strict=True)]) > 0.8
    metrics = json.loads((project.folder / "metrics" / "evaluate.json").read_text())
    assert metrics["class_accuracy"] > 0.8
    assert list(metrics["with_intervals"]["classes"]["class_accuracy"]) == ["all", *sorted(COLOURS)]
    for file in ("report.html", "model_card.md"):
        assert all(f"{colour} (" in (project.folder / "metrics" / file).read_text() for colour in COLOURS)
    assert {"classes.png"} <= set(tree(project.folder / "metrics" / "evaluate"))

    (images / "red" / "000.png").rename(images / "green" / "moved.png")
    assert stages_run(project.dvc("repro", "resize")) == ["rgba2rgb", "resize"]
    assert "green/moved.png" in read_squares(project.folder / "data" / "resized").names
    (project.folder / "data" / "no_labels.csv").write_text("path,label\n")
    assert {"train", "evaluate"} <= set(json.loads(project.dvc("status", "--json")))


def queued(project: Project) -> dict[str, str]:
    """Experiments of the queue, each with its status."""
    rows = [line.split() for line in project.dvc("queue", "status").splitlines()[1:]]
    return {row[0]: row[-1] for row in rows if len(row) > 2 and row[0] != "Worker"}


def test_a_colleague_pulls_the_model_and_samples_without_images(tiny: Project, tmp_path: Path):
    tiny.dvc("remote", "add", "--default", "shared", tmp_path / "remote")
    tiny.commit("A remote")
    tiny.dvc("push")
    clone = tiny.clone_to(tmp_path / "clone")
    shutil.rmtree(tiny.folder)
    clone.dvc("pull", "data/model")
    assert not (clone.folder / "data" / "resized").exists()
    clone("python", "stages/sample.py", "--model", "data/model/vae.keras", "--output", "mine", "--count", 5)
    assert len(tree(clone.folder / "mine")) == 5
    clone.dvc("pull", "data/samples")
    samples = read_squares(clone.folder / "data" / "samples")
    assert np.array_equal(samples[:5], read_squares(clone.folder / "mine")[:5])


def test_the_stages_write_nothing_beside_their_outputs(tiny: Project):
    untracked = tiny.git("status", "--porcelain", "--ignored").splitlines()
    ignored = {line[3:] for line in untracked if "__pycache__" not in line}
    outputs = {f"data/{name}" for name in ("robots/", "robots.csv", "rgb/", "resized/", "model/", "samples/")}
    outputs |= {
        f"metrics/{name}" for name in ("model_card.md", "report.html", "train/plots/images/", "train/plots/metrics/")
    }
    assert ignored == outputs | {".dvc/cache/", ".dvc/tmp/"}


def test_dvc_stops_at_what_it_cannot_hash_and_sees_no_change_of_what_it_ignores(reproduced: Project, tmp_path: Path):
    """What docs/images.md says of a folder of images before the first stage runs."""
    said = re.findall(r"^\| (.*) \| `(.*)` \|$", (ROOT / "docs" / "images.md").read_text(), flags=re.MULTILINE)
    project = reproduced.clone_to(tmp_path / "clone")
    mine = project.folder / "data" / "mine"
    write_images(mine, 3)
    project.change_params({"images": "data/mine"})
    obstacles = {
        "a broken link": ("a.png", lambda file: file.symlink_to("nowhere")),
        "a socket": ("b.png", lambda file: socket.socket(socket.AF_UNIX).bind(os.path.relpath(file))),
        "a name that is no UTF-8": (os.fsdecode(b"\xff.png"), Path.touch),
        "a `.dvcignore`": (".dvcignore", Path.touch),
    }
    assert obstacles.keys() == dict(said).keys()
    for obstacle, message in said:
        name, make = obstacles[obstacle]
        make(mine / name)
        assert message in project.run("dvc", "repro", "rgba2rgb").stderr
        (mine / name).unlink()
    os.mkfifo(mine / "c.png")
    waiting = subprocess.Popen(["dvc", "repro", "rgba2rgb"], cwd=project.folder, env=project.environment)
    with (mine / "c.png").open("wb"):  # which ends when DVC has opened it to read
        waiting.kill()
    waiting.wait()
    (mine / "c.png").unlink()

    (project.folder / ".dvcignore").open("a").write("data/mine/more\n")
    write_images(mine / "more", 1)
    assert stages_run(project.dvc("repro", "rgba2rgb")) == ["rgba2rgb"]
    assert [row.name for row in read_rows(project.folder / "data" / "rgb" / "manifest.jsonl")][-1] == "more/0000.png"
    write_images(mine / "more", 2, seed=1)
    assert stages_run(project.dvc("repro", "rgba2rgb")) == []
