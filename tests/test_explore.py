"""What is done with a model by hand, in each command of explore.py."""

import csv
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from conftest import assert_refused, results, run_here, write_images
from imagevae.dataset.squares import read_squares
from imagevae.model.archive import load_model, save_model
from imagevae.model.vae import VAE

Explore = Callable[..., dict[str, bytes]]
numbers = itertools.count()


@pytest.fixture
def explore(model_file: Path, tmp_path: Path) -> Explore:
    """Run a command on the small model, and give the files that it makes."""

    def run(command: str, *arguments: object) -> dict[str, bytes]:
        output = tmp_path / f"made {next(numbers)}"
        result = run_here("explore", command, "--model", model_file, "--output", output, *arguments)
        assert (result.returncode, result.stderr) == (0, "")
        return results(output)

    return run


def decoded(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


def test_latents_of_images_of_any_kind_are_those_of_the_resized_ones(
    explore: Explore, model_file: Path, tmp_path: Path
):
    """A folder, what the image stages make of it, files or shards, and a zip of it are the same to a model."""
    write_images(tmp_path / "any" / "sub", 70, size=40)
    oblong = np.random.default_rng(0).integers(0, 256, (30, 20, 4), np.uint8)
    cv2.imwrite(str(tmp_path / "any" / "a.png"), oblong)
    shutil.make_archive(str(tmp_path / "any"), "zip", tmp_path / "any")
    form_flags = ("--fit", "crop", "--background", "white")
    for form in ("files", "shards"):
        words = ("--input", tmp_path / "any", "--output", tmp_path / form, "--size", 16, "--format", form)
        assert run_here("resize", *words, *form_flags).returncode == 0
    sources = ("any", "any.zip", "files", "shards")
    tables = [explore("encode", "--all", "--images", tmp_path / name, *form_flags) for name in sources]
    assert all(table == tables[0] for table in tables)
    assert explore("encode", "--all", "--images", tmp_path / "any") != tables[0]
    header, first, *others = tables[0]["latents.csv"].decode().splitlines()
    assert header == "file,z_mean_0,z_mean_1,z_log_sigma_0,z_log_sigma_1"
    assert len(others) == 70
    name, *numbers = first.split(",")
    assert name == "a.png"
    both = load_model(model_file).encode(read_squares(tmp_path / "files")[[0]])
    expected = np.concatenate([keras.ops.convert_to_numpy(values)[0] for values in both])
    assert [float(number) for number in numbers] == pytest.approx(expected, abs=1e-5)


def test_the_code_of_an_image_is_where_its_latents_lie_on_the_axes(explore: Explore, squares: Path, model_file: Path):
    made = explore("encode", "--images", squares)
    head, *rows = csv.reader(made["latents.csv"].decode().splitlines())
    model, images = load_model(model_file), read_squares(squares)
    assert head == ["file", *(f"code_{axis}" for axis in range(model.axes.count))]
    assert [row[0] for row in rows] == list(images.names)
    codes = np.array([row[1:] for row in rows], np.float32)
    z_mean = keras.ops.convert_to_numpy(model.encode(images[:])[0])
    assert codes == pytest.approx(model.axes.encode(z_mean), abs=1e-4)
    # Most of these images are those that the axes were fitted to.
    assert codes.std(axis=0) == pytest.approx(keras.ops.convert_to_numpy(model.axes.deviations), rel=0.5)


def test_a_folder_is_reconstructed_from_its_latents(explore: Explore, squares: Path, model_file: Path, tmp_path: Path):
    made = explore("reconstruct", "--images", squares)
    assert set(made) == set(results(squares))
    (tmp_path / "rebuilt").mkdir()
    for name, content in made.items():
        (tmp_path / "rebuilt" / name).write_bytes(content)
    model, images = load_model(model_file), read_squares(squares)[np.arange(40)]
    expected = keras.ops.convert_to_numpy(model.decode(model.encode(images)[0]))
    rebuilt = read_squares(tmp_path / "rebuilt")[np.arange(40)]
    assert rebuilt / 255 == pytest.approx(np.clip(expected, 0, 1), abs=0.51 / 255)
    in_shards = explore("reconstruct", "--images", squares, "--format", "shards")
    assert set(in_shards) == {"00000.npy", "manifest.jsonl"}


def test_an_interpolation_leads_from_image_to_image(explore: Explore, squares: Path):
    first, last = squares / "0000.png", squares / "0001.png"
    made = explore("interpolate", first, last)
    assert set(made) == {"strip.png", "animation.png"}
    assert made == explore("interpolate", first, last)
    strip = decoded(made["strip.png"])
    assert strip.shape == (16, 11 * 16 + 4, 3)
    assert np.array_equal(strip[:, :16], cv2.imread(str(first)))
    assert np.array_equal(strip[:, -16:], cv2.imread(str(last)))


def test_a_traversal_shows_a_row_for_each_latent_that_it_names(model_file: Path, tmp_path: Path):
    result = run_here("explore", "traverse", "--model", model_file, "--output", tmp_path / "made")
    assert (result.returncode, result.stderr) == (0, "")
    rows = result.stdout.rpartition(":")[2].split()
    assert result.stdout.startswith(f"{len(rows)} of 2 latents are active")
    assert decoded(results(tmp_path / "made")["traversal.png"]).shape == (16 * len(rows), 9 * 16, 3)


def test_the_plane_of_two_latents_is_one_picture(explore: Explore):
    made = explore("manifold")
    assert set(made) == {"manifold.png"}
    assert decoded(made["manifold.png"]).shape == (19 * 16, 19 * 16, 3)


def test_what_makes_no_sense_is_refused_and_nothing_is_written(model_file: Path, squares: Path, tmp_path: Path):
    def refused(command: str, *arguments: object, culprits: tuple[object, ...], model: Path = model_file) -> None:
        output = tmp_path / f"out {next(numbers)}"
        result = run_here("explore", command, "--model", model, "--output", output, *arguments)
        assert_refused(result, *culprits)
        assert not output.exists()

    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "broken.png").write_bytes(b"no image")
    refused("encode", "--images", tmp_path / "some", culprits=(tmp_path / "some" / "broken.png",))
    refused("encode", "--images", tmp_path / "none", culprits=(tmp_path / "none",))
    refused("interpolate", squares / "0000.png", tmp_path / "none.png", culprits=("none.png",))
    refused("interpolate", squares / "0000.png", culprits=("LAST",))
    save_model(VAE(size=8, network="vector", latent_dim=3, width=4), tmp_path / "three.keras")
    refused("manifold", model=tmp_path / "three.keras", culprits=("three.keras", "3 latents"))
    silent = VAE(size=8, network="vector", latent_dim=2, width=4)
    silent.decoder.set_weights([np.zeros_like(weight) for weight in silent.decoder.get_weights()])
    save_model(silent, tmp_path / "silent.keras")
    refused("traverse", model=tmp_path / "silent.keras", culprits=("silent.keras", "none of its latents"))
