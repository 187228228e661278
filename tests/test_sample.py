"""New images from a trained model: which ones depends on the flags alone."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import assert_refused, results, run_here
from imagevae.dataset.squares import read_squares
from imagevae.model.archive import save_model
from imagevae.model.vae import VAE


def test_samples_depend_on_their_flags_and_not_on_the_count(model_file: Path, tmp_path: Path):
    def sample(name: str, *arguments: object) -> dict[str, bytes]:
        result = run_here("sample", "--model", model_file, "--output", tmp_path / name, *arguments)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        return results(tmp_path / name)

    def height_and_width(picture: str) -> tuple[int, int]:
        return cv2.imread(str(tmp_path / "pictures" / picture)).shape[:2]

    many = sample("many", "--count", 70, "--pictures", tmp_path / "pictures")
    few = sample("few", "--count", 3)
    assert len(many) == 70
    assert few == {name: many[name] for name in few}
    assert sample("other", "--count", 3, "--seed", 1) != few
    assert sample("guided", "--count", 3, "--guidance", 3) != few
    assert sample("normal", "--count", 3, "--sampler", "normal") != few
    assert len(set(sample("cold", "--count", 3, "--temperature", 0).values())) == 1
    sample("shards", "--count", 70, "--format", "shards")
    in_shards = read_squares(tmp_path / "shards")
    assert np.array_equal(in_shards[np.arange(70)], read_squares(tmp_path / "many")[np.arange(70)])
    assert height_and_width("samples.png") == (8 * 16, 8 * 16)
    assert height_and_width("manifold.png") == (19 * 16, 19 * 16)
    assert height_and_width("traversal.png")[1] == 9 * 16 + 44


def test_a_distribution_that_a_model_lacks_is_named(tmp_path: Path):
    save_model(VAE(size=8, network="vector", latent_dim=2, width=4), tmp_path / "vae.keras")
    words = ("--model", tmp_path / "vae.keras", "--output", tmp_path / "out")
    assert_refused(run_here("sample", *words, "--sampler", "flow"), "--sampler flow", "vae.keras", "flow_steps 0")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("mode", ["reconstruct", "interpolate", "encode", "traverse", "manifold"])
@pytest.mark.parametrize("written", ["--{} a b", "--{}=a"])
def test_a_command_line_of_a_mode_that_has_moved_names_the_new_one(mode: str, written: str, tmp_path: Path):
    words = ("--model", tmp_path / "vae.keras", "--output", tmp_path / "out", *written.format(mode).split())
    assert_refused(run_here("sample", *words), f"--{mode}", f"python stages/explore.py {mode}")


def test_a_damaged_model_is_refused_and_nothing_is_written(model_file: Path, tmp_path: Path):
    (tmp_path / "cut.keras").write_bytes(model_file.read_bytes()[:10_000])
    for name in ("cut.keras", "missing.keras"):
        assert_refused(run_here("sample", "--model", tmp_path / name, "--output", tmp_path / "out"), name)
        assert not (tmp_path / "out").exists()
