"""The training stage under hard treatment: killed, stopped, led astray, started from another model."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from conftest import ROOT, TINY, assert_refused, run_stage, tree
from imagevae.cli.errors import BadInput
from imagevae.dataset.held_out import split
from imagevae.dataset.squares import read_squares
from imagevae.images.codec import decode
from imagevae.model.archive import load_model
from test_memory import write_shards
from train import epochs_for

EPOCHS = ("--epochs", 6, "--flow_steps", 300, "--flip", "--shift", 1)


def arguments(squares: Path, folder: Path, *more: object) -> list[str]:
    places = ("--input", squares, "--output", folder / "model" / "vae.keras", "--curves", folder / "curves")
    return [str(word) for word in (*places, *TINY, *EPOCHS, *more)]


def run_split(folder: Path, share: float) -> int:
    """How many training images a share to hold out leaves, or 0 where it leaves none or holds none out."""
    try:
        return len(split(read_squares(folder), share, folder)[0])
    except BadInput:
        return 0


def results(folder: Path) -> dict[str, bytes]:
    return tree(folder)


def start(squares: Path, folder: Path) -> subprocess.Popen:
    """Start a training that Ctrl-C can reach."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "stages" / "train.py"), *arguments(squares, folder)],
        stderr=subprocess.PIPE,
        text=True,
        stdin=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def stop_after(process: subprocess.Popen, checkpoint: Path, saves: int, how: int) -> str:
    """Send a signal once a checkpoint has been replaced some number of times, and wait for the end."""
    seen = set()
    while len(seen) < saves:
        assert process.poll() is None, process.communicate()[1]
        if checkpoint.exists():
            seen.add(checkpoint.stat().st_ino)
        time.sleep(0.001)
    os.kill(process.pid, how)
    return process.communicate()[1]


@pytest.fixture(scope="module")
def timed(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[float, dict[str, bytes]]:
    """Seconds that an undisturbed training takes, and its results."""
    folder, start = tmp_path_factory.mktemp("undisturbed"), time.monotonic()
    result = run_stage("train", *arguments(squares, folder))
    assert result.returncode == 0, result.stderr
    return time.monotonic() - start, results(folder)


@pytest.fixture(scope="module")
def undisturbed(timed: tuple[float, dict[str, bytes]]) -> dict[str, bytes]:
    return timed[1]


def test_pictures_show_what_is_learned(undisturbed: dict[str, bytes], model_file: Path):
    """After the first epoch, so that there is one always, and after each tenth."""
    folder = model_file.parent / "curves" / "plots" / "images" / "learning"
    assert {int(file.stem) for file in folder.iterdir()} == {1, *range(3, 31, 3)}
    pictures = {Path(name).name: content for name, content in undisturbed.items() if "images/learning" in name}
    assert set(pictures) == {f"{epoch}.png" for epoch in range(1, 7)}
    assert len(set(pictures.values())) == 6
    assert decode(pictures["6.png"]).shape == (3 * 16, 12 * 16, 3)


@pytest.mark.slow
def test_a_training_killed_in_each_phase_ends_as_an_undisturbed_one(
    squares: Path, undisturbed: dict[str, bytes], tmp_path: Path
):
    for phase, saves in (("vae", 2), ("flow-384", 1)):
        process = start(squares, tmp_path)
        stop_after(process, tmp_path / ".model.checkpoint" / "vae.keras" / f"{phase}.npz", saves, signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert not (tmp_path / "model").exists()
    last = run_stage("train", *arguments(squares, tmp_path))
    assert last.returncode == 0, last.stderr
    assert "goes on after epoch" in last.stderr
    assert results(tmp_path) == undisturbed


@pytest.mark.slow
def test_a_training_killed_at_random_moments_ends_as_an_undisturbed_one(
    squares: Path, timed: tuple[float, dict[str, bytes]], tmp_path: Path
):
    seconds, undisturbed = timed
    for moment in np.random.default_rng().uniform(0, seconds, 3):
        process = start(squares, tmp_path)
        try:
            process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        print(f"after {moment:.3f} s: {process.returncode}")  # which pytest shows if the test fails
    last = run_stage("train", *arguments(squares, tmp_path))
    assert last.returncode == 0, last.stderr
    assert results(tmp_path) == undisturbed


@pytest.mark.slow
def test_ctrl_c_ends_with_a_checkpoint(squares: Path, undisturbed: dict[str, bytes], tmp_path: Path):
    process = start(squares, tmp_path)
    stderr = stop_after(process, tmp_path / ".model.checkpoint" / "vae.keras" / "vae.npz", 1, signal.SIGINT)
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == "train: stopped"
    assert run_stage("train", *arguments(squares, tmp_path)).returncode == 0
    assert results(tmp_path) == undisturbed


@pytest.mark.slow
def test_a_checkpoint_of_another_training_or_a_damaged_one_is_not_taken(
    squares: Path, undisturbed: dict[str, bytes], tmp_path: Path
):
    checkpoint = tmp_path / ".model.checkpoint" / "vae.keras" / "vae.npz"
    process = start(squares, tmp_path)
    stop_after(process, checkpoint, 1, signal.SIGKILL)
    other = run_stage("train", *arguments(squares, tmp_path, "--seed", 1))
    assert "goes on" not in other.stderr
    assert results(tmp_path) != undisturbed
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"PK\3\4 not an archive")
    again = run_stage("train", *arguments(squares, tmp_path))
    assert "damaged" in again.stderr
    assert results(tmp_path) == undisturbed


def test_a_training_that_goes_astray_keeps_its_best_weights_or_ends_with_a_clear_error(squares: Path, tmp_path: Path):
    result = run_stage("train", *arguments(squares, tmp_path, "--learning_rate", 10, "--epochs", 40))
    if result.returncode:
        assert_refused(result, "learning_rate")
    else:
        model = load_model(tmp_path / "model" / "vae.keras")
        assert all(np.isfinite(weight).all() for weight in model.get_weights())
        assert "a lower learning_rate may help" in result.stderr


def test_a_good_training_warns_of_nothing(squares: Path, tmp_path: Path):
    result = run_stage("train", *arguments(squares, tmp_path, "--epochs", 30, "--seed", 3))
    assert result.returncode == 0, result.stderr
    assert "warning" not in result.stderr


def test_latents_that_collapse_give_a_warning(squares: Path, tmp_path: Path):
    result = run_stage("train", *arguments(squares, tmp_path, "--kl_weight", 1e6, "--flow_steps", 0))
    assert result.returncode == 0, result.stderr
    assert "warning: 0 of 2 latent units are active" in result.stderr


def test_training_starts_from_another_model(squares: Path, model_file: Path, tmp_path: Path):
    """One step of next to no length leaves the weights where they were."""
    more = ("--init", model_file, "--epochs", 1, "--learning_rate", 1e-30, "--flow_steps", 0)
    result = run_stage("train", *arguments(squares, tmp_path, *more))
    assert result.returncode == 0, result.stderr
    old, new = load_model(model_file), load_model(tmp_path / "model" / "vae.keras")
    for name in ("encoder", "decoder"):
        for one, other in zip(getattr(old, name).get_weights(), getattr(new, name).get_weights(), strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize(("flag", "value"), [("network", "mlp"), ("latent_dim", 3), ("width", 8)])
def test_a_model_of_another_shape_is_refused(flag: str, value: object, squares: Path, model_file: Path, tmp_path: Path):
    result = run_stage("train", *arguments(squares, tmp_path, "--init", model_file, f"--{flag}", value))
    assert_refused(result, model_file, flag, value)


def test_files_in_the_folder_of_checkpoints_stay_and_names_are_taken_from_the_current_folder(
    squares: Path, tmp_path: Path
):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "training.npy").write_text("mine")
    command = ["--input", squares, "--output", "vae.keras", "--curves", "curves", *TINY, "--epochs", 1]
    for more in ((), ("--checkpoint", "mine")):
        result = run_stage("train", *command, *more, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    assert tree(tmp_path / "mine") == {"training.npy": b"mine"}
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}.checkpoint"))


def test_one_training_image_is_too_few(squares: Path, tmp_path: Path):
    (tmp_path / "images").mkdir()
    shares = {}
    for file in sorted(squares.iterdir())[:8]:
        (tmp_path / "images" / file.name).write_bytes(file.read_bytes())
    for share in np.linspace(0.05, 0.95, 60):
        shares[share] = run_split(tmp_path / "images", share)
    one = [share for share, count in shares.items() if count == 1]
    result = run_stage("train", *arguments(tmp_path / "images", tmp_path, "--held_out", one[0]))
    assert_refused(result, "one training image", "held_out")


def test_latents_that_do_not_fit_the_grid_are_refused(squares: Path, tmp_path: Path):
    result = run_stage("train", *arguments(squares, tmp_path, "--network", "spatial"))
    assert_refused(result, "--latent_dim 2", "multiple of 16")


@pytest.mark.parametrize(
    ("images", "epochs"), [(1, 200), (320, 200), (321, 200), (640, 100), (641, 100), (63_999, 2), (10**6, 1)]
)
def test_enough_epochs_show_enough_images(images: int, epochs: int):
    assert epochs_for(images) == epochs


def test_without_a_number_of_epochs_training_takes_as_many_as_show_enough_images(tmp_path: Path):
    shards = write_shards(tmp_path / "shards", 60_000)
    flags = ("--epochs", 0, "--flow_steps", 0, "--batch_size", 2_000)
    result = run_stage("train", *arguments(shards, tmp_path, *flags))
    assert result.returncode == 0, result.stderr
    settings = load_model(tmp_path / "model" / "vae.keras").settings
    assert settings["training"]["epochs"] == epochs_for(run_split(shards, settings["held_out"])) == 2
    loss = (tmp_path / "curves/plots/metrics/held_out/loss.tsv").read_text().splitlines()
    assert len(loss) == 1 + 2  # a heading, then the epochs
