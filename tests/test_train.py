"""The training stage: what it writes and refuses, where it starts from, and that nothing which cuts it off shows."""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from audit import at_call, at_moment
from conftest import BRIEF, TINY, assert_refused, run_here, run_stage, train_outputs, tree, write_images
from imagevae.cli.errors import BadInput
from imagevae.cli.output import sole_writer
from imagevae.dataset.held_out import split
from imagevae.dataset.squares import read_squares
from imagevae.images.codec import decode
from imagevae.model.archive import load_model, save_model
from imagevae.model.vae import VAE
from train import epochs_for

LONGER = (*TINY, "--epochs", 4, "--flow_steps", 63, "--flip", "--shift", 1)  # two epochs of the flow


def train(squares: Path, folder: Path, *flags: object) -> subprocess.CompletedProcess:
    """A training in this process that ends well."""
    result = run_here("train", "--input", squares, *train_outputs(folder), *flags)
    assert result.returncode == 0, result.stderr
    return result


# What it writes


def test_a_model_describes_itself_and_has_curves(trained: Path, model_file: Path):
    model = load_model(model_file)
    assert (model.size, model.latent_dim, model.held_out) == (16, 2, 0.3)
    curves = tree(trained / "curves")
    for kind in ("train", "held_out"):
        for term in ("loss", "reconstruction", "kl", "texture"):
            lines = curves[f"plots/metrics/{kind}/{term}.tsv"].decode().splitlines()
            assert len(lines) == 1 + 12
    last = json.loads(curves["metrics.json"])
    for terms in (last["train"], last["held_out"]):
        weighed = terms["reconstruction"] + terms["kl"] / 2 + terms["texture"]
        assert terms["loss"] == pytest.approx(weighed, rel=2e-5)


def test_pictures_show_what_is_learned(trained: Path):
    """After the first epoch, so that there is one always, and after each tenth."""
    pictures = tree(trained / "curves" / "plots" / "images" / "learning")
    assert {int(Path(name).stem) for name in pictures} == {1, *(-(-tenth * 12 // 10) for tenth in range(1, 11))}
    assert len(set(pictures.values())) == len(pictures)
    assert decode(pictures["12.png"]).shape == (3 * 16, 12 * 16, 3)


def test_a_good_training_warns_of_nothing(trained: Path):
    said = (trained / "stderr").read_text()
    assert "samples come from flow" in said
    assert "warning" not in said


@pytest.mark.slow
def test_latents_that_collapse_give_a_warning(squares: Path, tmp_path: Path):
    result = train(squares, tmp_path, *BRIEF, "--kl_weight", 1e6, "--epochs", 4)
    assert "warning: 0 of 2 latent units are active" in result.stderr


@pytest.mark.slow
def test_weights_of_zero_leave_the_reconstruction(squares: Path, tmp_path: Path):
    train(squares, tmp_path, *BRIEF, "--kl_weight", 0, "--texture_weight", 0)
    last = json.loads((tmp_path / "curves" / "metrics.json").read_text())
    assert last["train"]["loss"] == last["train"]["reconstruction"]


@pytest.mark.parametrize(
    ("images", "epochs"), [(1, 200), (320, 200), (321, 200), (640, 100), (641, 100), (63_999, 2), (10**6, 1)]
)
def test_enough_epochs_show_enough_images(images: int, epochs: int):
    assert epochs_for(images) == epochs


@pytest.mark.slow
def test_a_schedule_multiplies_epochs_and_steps_of_the_flow(squares: Path, tmp_path: Path):
    for folder, *flags in (("half", "--epochs", 4, "--flow_steps", 20, "--schedule", 0.5), ("whole", "--epochs", 2)):
        train(squares, tmp_path / folder, *TINY, *flags)
    half, whole = (tree(tmp_path / folder) for folder in ("half", "whole"))
    assert half == whole


def test_the_shortest_schedule_leaves_an_epoch_and_a_step_of_the_flow(squares: Path, tmp_path: Path):
    train(squares, tmp_path, *TINY, "--schedule", 1e-6)
    kept = load_model(tmp_path / "model" / "vae.keras").settings
    assert (kept["training"]["epochs"], kept["training"]["flow_steps"], kept["sampler"]) == (1, 1, "flow")


# What it starts from


@pytest.mark.slow
def test_training_starts_from_another_model(squares: Path, model_file: Path, tmp_path: Path):
    """One step of next to no length leaves the weights where they were."""
    train(squares, tmp_path, *BRIEF, "--init", model_file, "--learning_rate", 1e-30)
    old, new = load_model(model_file), load_model(tmp_path / "model" / "vae.keras")
    for name in ("encoder", "decoder"):
        for one, other in zip(getattr(old, name).get_weights(), getattr(new, name).get_weights(), strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize(("flag", "value"), [("network", "mlp"), ("latent_dim", 3), ("width", 8)])
def test_a_model_of_another_shape_is_refused(flag: str, value: object, squares: Path, model_file: Path, tmp_path: Path):
    words = ("--input", squares, *train_outputs(tmp_path), *BRIEF, "--init", model_file, f"--{flag}", value)
    assert_refused(run_here("train", *words), model_file, flag, value)


# What it refuses


def test_bad_input_is_refused_and_no_model_is_written(squares: Path, tmp_path: Path):
    def refused(source: Path, *culprits: object, more: tuple[object, ...] = ()) -> None:
        result = run_here("train", "--input", source, *train_outputs(tmp_path / "new"), *BRIEF, *more)
        assert_refused(result, *culprits)
        assert not (tmp_path / "new" / "model").exists()

    refused(squares, squares, "held_out", more=("--held_out", 1e-9))
    refused(squares, squares, "--labels folders", "a folder for each class", more=("--labels", "folders"))
    refused(squares, "--label_table", more=("--labels", "table"))
    (tmp_path / "labels.csv").write_text("path,label\nx.png,cat\n")
    of_table = ("--labels", "table", "--label_table", tmp_path / "labels.csv")
    refused(squares, squares, "--labels table", "paths of the table", more=of_table)
    refused(tmp_path / "missing", tmp_path / "missing")
    mixed = tmp_path / "mixed"
    shutil.copytree(squares, mixed)
    write_images(mixed / "z", 1, size=20)
    refused(mixed, "0000.png", "20x20", "16x16")
    write_images(tmp_path / "oblong", 1)
    cv2.imwrite(str(tmp_path / "oblong" / "0000.png"), np.zeros((8, 9, 3), np.uint8))
    refused(tmp_path / "oblong", "9x8")
    refused(squares, "--latent_dim 2", "multiple of 16", more=("--network", "spatial"))
    words = ("--input", squares, "--output", tmp_path / "vae.h5", "--curves", tmp_path / "curves", *BRIEF)
    assert_refused(run_here("train", *words), "vae.h5", ".keras")


@pytest.mark.slow
def test_a_loss_that_is_not_finite_from_the_start_is_refused(squares: Path, tmp_path: Path):
    broken = VAE(size=16, network="vector", latent_dim=2, width=4)
    broken.encoder.set_weights([np.full_like(weight, 1e38) for weight in broken.encoder.get_weights()])
    save_model(broken, tmp_path / "broken.keras")
    words = ("--input", squares, *train_outputs(tmp_path), *BRIEF, "--init", tmp_path / "broken.keras")
    assert_refused(run_here("train", *words), "loss is not finite in epoch 1", "learning_rate")
    assert not (tmp_path / "model").exists()


def test_one_training_image_is_too_few(squares: Path, tmp_path: Path):
    (tmp_path / "images").mkdir()
    for file in sorted(squares.glob("*.png"))[:8]:
        (tmp_path / "images" / file.name).write_bytes(file.read_bytes())

    def training_images(share: float) -> int:
        try:
            return len(split(read_squares(tmp_path / "images"), share, tmp_path)[0])
        except BadInput:  # none on one of the two sides
            return 0

    share = next(share for share in np.linspace(0.05, 0.95, 60) if training_images(share) == 1)
    words = ("--input", tmp_path / "images", *train_outputs(tmp_path), *BRIEF, "--held_out", share)
    assert_refused(run_here("train", *words), "one training image", "held_out")


@pytest.mark.parametrize("place", ["model/vae.keras", "curves"])
def test_two_trainings_do_not_write_one_model(place: str, squares: Path, tmp_path: Path):
    beside = {"model/vae.keras": tmp_path / ".model.checkpoint" / "vae.keras"}.get(place)
    with sole_writer(tmp_path / place, beside):
        result = run_stage("train", "--input", squares, *train_outputs(tmp_path), *BRIEF)
    assert_refused(result, tmp_path / place, f"process {os.getpid()}")
    assert list(tmp_path.iterdir()) == []


# What cuts it off


@pytest.mark.slow
def test_names_are_taken_from_the_current_folder_and_checkpoints_leave_files_of_others_alone(
    squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "training.npy").write_text("mine")
    for more in ((), ("--checkpoint", "mine")):
        words = ("--input", squares, "--output", "vae.keras", "--curves", "curves", *BRIEF, *more)
        result = run_here("train", *words)
        assert result.returncode == 0, result.stderr
    assert tree(tmp_path / "mine") == {"training.npy": b"mine"}
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}.checkpoint"))


@pytest.fixture(scope="module")
def undisturbed(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a training that nothing disturbs writes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    result = run_stage("train", "--input", squares, *train_outputs(folder), *LONGER)
    assert result.returncode == 0, result.stderr
    return tree(folder)


class Disturbed:
    """A training that is cut off at some moments, told by files that it opens, and begun again."""

    def __init__(self, squares: Path, folder: Path):
        self.squares, self.outputs, self.hook = squares, folder / "outputs", folder / "hook"
        self.checkpoint = self.outputs / ".model.checkpoint" / "vae.keras" / "vae.npz"

    def run(self, **keywords) -> subprocess.CompletedProcess:
        return run_stage("train", "--input", self.squares, *train_outputs(self.outputs), *LONGER, **keywords)

    def cut_off(self, where: str, moment: int, how: signal.Signals) -> subprocess.CompletedProcess:
        """Let it send itself a signal when it opens a path with `where` for the nth time."""
        return self._ended(at_moment(self.hook, "train", where, moment, f"os.kill(os.getpid(), {int(how)})"))

    def killed_before(self, module: str, function: str) -> subprocess.CompletedProcess:
        """Let it kill itself when it calls a function."""
        return self._ended(at_call(self.hook, "train", module, function, "os.kill(os.getpid(), 9)"))

    def _ended(self, environment: dict[str, str]) -> subprocess.CompletedProcess:
        result = self.run(
            env=os.environ | environment,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a run in the background ignores
        )
        assert not (self.outputs / "model" / "vae.keras").exists()
        return result


@pytest.mark.slow
@pytest.mark.endurance
def test_a_training_that_is_cut_off_in_each_phase_ends_as_an_undisturbed_one(
    squares: Path, undisturbed: dict[str, bytes], tmp_path: Path
):
    """The phases are what differs in what lies on the disk."""
    disturbed = Disturbed(squares, tmp_path)
    stopped = disturbed.cut_off("vae.npz.partial", 3, signal.SIGINT)
    assert disturbed.checkpoint.exists()
    assert (stopped.returncode, stopped.stderr.splitlines()[-1]) == (130, "train: stopped")
    for again, done in (
        (lambda: disturbed.cut_off("held_out.npy", 1, signal.SIGKILL), "vae: goes on after epoch 2\n"),
        (lambda: disturbed.killed_before("imagevae.training.fit_clusters", "k_means"), "vae: goes on after epoch 4\n"),
        (lambda: disturbed.cut_off("flow-384.npz.partial", 2, signal.SIGKILL), "vae: goes on after epoch 4\n"),
        (lambda: disturbed.cut_off("vae.keras.partial", 1, signal.SIGKILL), "flow_prior: goes on after epoch 1\n"),
    ):
        killed = again()
        assert done in killed.stderr
        assert killed.returncode == -signal.SIGKILL
    last = disturbed.run()
    assert last.returncode == 0, last.stderr
    assert "flow_prior: goes on after epoch 2\n" in last.stderr
    assert tree(disturbed.outputs) == undisturbed
