"""New images from a trained model: which ones depends on the flags alone."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import assert_refused, results, run_here
from imagevae.dataset.squares import read_squares
from imagevae.images.contact_sheet import NARROWEST
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


def of_classes(file: Path, classes: list[str], **settings: object) -> Path:
    """A model of random weights and of classes, with a flow unless the settings say otherwise."""
    fitted = dict(labels="folders", classes=classes, densities={"flow": -1.0}, sampler="flow") | settings
    model = VAE(size=8, network="vector", latent_dim=2, width=4, **fitted)
    noise, count = np.random.default_rng(0), max(1, len(classes))
    model.set_weights([weight + 0.3 * noise.standard_normal(weight.shape) for weight in model.get_weights()])
    model.flow.standardise(np.zeros(2), np.ones(2))
    model.scale.assign(1.0)
    model.flow.group(noise.standard_normal((count, 2)), np.full(count, 1 / count), np.arange(count))
    model.mixture.set(np.ones(1), np.zeros((1, 2)), np.ones((1, 2)))
    model.axes.scale.assign([1.0, 1.0])
    save_model(model, file)
    return file


def test_samples_of_each_class_lie_in_its_folder_and_are_those_of_the_class_alone(tmp_path: Path):
    model = of_classes(tmp_path / "vae.keras", ["cat", "../dog", "all.zip"])

    def sample(name: str, *arguments: object) -> dict[str, bytes]:
        result = run_here("sample", "--model", model, "--output", tmp_path / name, *arguments)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
        return results(tmp_path / name)

    every = sample("every", "--label", "all", "--count", 5, "--pictures", tmp_path / "pictures")
    assert sorted(every) == [f"{f}/{n:06}.png" for f in ("%2E.%2Fdog", "all.zip", "cat") for n in range(5)]
    for folder, label in (("cat", "cat"), ("%2E.%2Fdog", "../dog"), ("all.zip", "all.zip")):
        alone = sample(f"one {label.strip('./')}", "--label", label, "--count", 3)
        assert alone == {name: every[name] for name in every if name.startswith(folder) and name < f"{folder}/000003"}
    sample("shards", "--label", "all", "--count", 5, "--format", "shards")
    in_shards, in_files = (read_squares(tmp_path / name) for name in ("shards", "every"))
    assert in_shards.names.tolist() == in_files.names.tolist() == sorted(every)
    assert np.array_equal(in_shards[:], in_files[:])
    assert cv2.imread(str(tmp_path / "pictures" / "samples.png")).shape == (3 * 8, NARROWEST + 5 * 8, 3)


@pytest.mark.parametrize(
    ("settings", "arguments", "culprits"),
    [
        (dict(labels="none", classes=[]), ("--label", "cat"), ("without labels", "--labels folders")),
        ({}, ("--label", "cow"), ("no class", "cat and dog")),
        (
            dict(densities={"flow": -1.0, "normal": -2.0}),
            ("--label", "cat", "--sampler", "normal"),
            ("--sampler normal", "flow"),
        ),
        (dict(densities={}, sampler="normal"), ("--label", "cat"), ("has none", "flow_steps")),
        (dict(densities={}, sampler="normal"), ("--label", "all"), ("has none", "flow_steps")),
    ],
)
def test_a_class_that_cannot_be_drawn_is_refused_in_a_line_that_says_why(
    settings: dict, arguments: tuple[str, ...], culprits: tuple[str, ...], tmp_path: Path
):
    file = of_classes(tmp_path / "vae.keras", **{"classes": ["cat", "dog"], **settings})
    result = run_here("sample", "--model", file, "--output", tmp_path / "out", *arguments)
    assert_refused(result, f"--label {arguments[1]}", *culprits)
    assert not (tmp_path / "out").exists()


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
