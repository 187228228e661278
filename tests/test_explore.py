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
    files = [squares / f"000{number}.png" for number in range(3)]
    made = explore("interpolate", *files)
    assert set(made) == {"strip.png", "animation.png"}
    assert made == explore("interpolate", *files)
    strip = decoded(made["strip.png"])
    assert strip.shape == (2 * 16, 11 * 16 + 4, 3)
    for row, (first, last) in enumerate(itertools.pairwise(files)):
        assert np.array_equal(strip[16 * row : 16 * row + 16, :16], cv2.imread(str(first)))
        assert np.array_equal(strip[16 * row : 16 * row + 16, -16:], cv2.imread(str(last)))
    assert decoded(explore("interpolate", "--closed", *files)["strip.png"]).shape == (3 * 16, 11 * 16 + 4, 3)


def test_variations_are_files_and_a_picture(explore: Explore, squares: Path):
    made = explore("vary", squares / "0000.png", "--kept", 0.5, "--kept", 1, "--count", 3)
    assert set(made) == {"variations.png", *(f"{kept}/00{number}.png" for kept in ("0.5", "1") for number in range(3))}
    sheet = decoded(made["variations.png"])
    assert sheet.shape == (2 * 16, 4 * 16 + 2, 3)
    assert np.array_equal(sheet[16:, 18:34], decoded(made["1/000.png"]))
    rebuilt = explore("reconstruct", "--images", squares)["0000.png"]
    assert np.array_equal(decoded(made["1/000.png"]), decoded(rebuilt))


def test_a_traversal_has_a_row_for_each_axis(explore: Explore, squares: Path, model_file: Path, tmp_path: Path):
    axes = load_model(model_file).axes.count
    made = [decoded(explore("traverse", *flags)["traversal.png"]) for flags in ((), ("--from", squares / "0000.png"))]
    assert [picture.shape for picture in made] == [(16 * axes, 9 * 16 + 44, 3)] * 2
    assert not np.array_equal(*made)
    assert decoded(explore("traverse", "--count", 1)["traversal.png"]).shape == (16, 9 * 16 + 44, 3)


def test_an_axis_leads_from_one_folder_to_another(explore: Explore, squares: Path, tmp_path: Path):
    for number, name in enumerate(("one", "another")):
        (tmp_path / name).mkdir()
        for image in range(3):
            shutil.copy(squares / f"00{10 * number + image:02}.png", tmp_path / name)
    table = explore("direction", tmp_path / "one", tmp_path / "another")["direction.csv"]
    (tmp_path / "axes.csv").write_bytes(table)
    head, *rows = csv.reader(table.decode().splitlines())
    assert head == ["file", "z_0", "z_1"]
    assert [row[0] for row in rows] == ["one", "another"]
    encoded = explore("encode", "--all", "--images", tmp_path / "one")["latents.csv"]
    _, *latents = csv.reader(encoded.decode().splitlines())
    mean = np.mean([[float(number) for number in row[1:3]] for row in latents], axis=0)
    assert [float(number) for number in rows[0][1:]] == pytest.approx(mean, abs=1e-5)
    picture = explore("traverse", "--axes", tmp_path / "axes.csv", "--from", squares / "0005.png")["traversal.png"]
    assert decoded(picture).shape == (16, 9 * 16 + 44, 3)


def test_the_plane_of_two_latents_is_one_picture(explore: Explore):
    made = explore("manifold")
    assert set(made) == {"manifold.png"}
    assert decoded(made["manifold.png"]).shape == (19 * 16, 19 * 16, 3)


def test_an_odd_image_ranks_first_and_doubles_are_grouped(explore: Explore, squares: Path, tmp_path: Path):
    shutil.copytree(squares, tmp_path / "mine")
    stripes = np.zeros((16, 16, 3), np.uint8)
    stripes[::2] = 255
    cv2.imwrite(str(tmp_path / "mine" / "odd, stripes.png"), stripes)
    for number in (3, 8):
        cv2.imwrite(str(tmp_path / "mine" / f"again {number}.bmp"), cv2.imread(str(squares / f"000{number}.png")))
    made = explore("strange", "--images", tmp_path / "mine")
    assert set(made) == {"strange.csv", "strange.png", "doubles.png"}
    assert made == explore("strange", "--images", tmp_path / "mine")
    rows = list(csv.DictReader(made["strange.csv"].decode().splitlines()))
    assert sorted(row["path"] for row in rows) == sorted(path.name for path in (tmp_path / "mine").glob("*.*"))
    scores, shares = ([float(row[name]) for row in rows] for name in ("score", "share"))
    assert (rows[0]["path"], shares[0]) == ("odd, stripes.png", 0)
    assert scores == sorted(scores, reverse=True)
    assert shares == sorted(shares)
    group = {row["path"]: row["group"] for row in rows}
    assert group["again 3.bmp"] == group["0003.png"] != group["again 8.bmp"] == group["0008.png"]
    assert sum(bool(number) for number in group.values()) == 4
    near = {row["path"]: row["nearest"] for row in rows}
    assert near["again 3.bmp"] in ("0003.png", near["0003.png"])
    assert decoded(made["doubles.png"]).shape == (2 * 16, 2 * 16, 3)
    assert decoded(made["strange.png"]).shape[1] == 2 * (44 + 4 * 16)


def test_images_are_set_against_those_of_the_training(explore: Explore, squares: Path, tmp_path: Path):
    (tmp_path / "one").mkdir()
    shutil.copy(squares / "0005.png", tmp_path / "one" / "mine.png")
    made = explore("strange", "--images", tmp_path / "one", "--reference", squares)
    assert set(made) == {"strange.csv", "strange.png"}
    [row] = csv.DictReader(made["strange.csv"].decode().splitlines())
    among = csv.DictReader(explore("strange", "--images", squares)["strange.csv"].decode().splitlines())
    [same] = [other for other in among if other["path"] == "0005.png"]
    assert (row["path"], row["score"], row["share"]) == ("mine.png", same["score"], same["share"])


def test_what_makes_no_sense_is_refused_and_nothing_is_written(model_file: Path, squares: Path, tmp_path: Path):
    def refused(command: str, *arguments: object, culprits: tuple[object, ...], model: Path = model_file) -> None:
        output = tmp_path / f"out {next(numbers)}"
        result = run_here("explore", command, "--model", model, "--output", output, *arguments)
        assert_refused(result, *culprits)
        assert not output.exists()

    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "broken.png").write_bytes(b"no image")
    refused("encode", "--images", tmp_path / "some", culprits=(tmp_path / "some" / "broken.png",))
    refused("strange", "--images", tmp_path / "some", culprits=(tmp_path / "some" / "broken.png",))
    refused("strange", "--images", squares, "--reference", tmp_path / "none", culprits=(tmp_path / "none",))
    refused("encode", "--images", tmp_path / "none", culprits=(tmp_path / "none",))
    refused("interpolate", squares / "0000.png", tmp_path / "none.png", culprits=("none.png",))
    refused("interpolate", squares / "0000.png", culprits=("0000.png", "two or more"))
    refused("direction", squares, tmp_path / "none", culprits=(tmp_path / "none",))
    (tmp_path / "axes.csv").write_text("file,z_0\none,1\nanother,2\n")
    refused("traverse", "--axes", tmp_path / "axes.csv", culprits=("axes.csv", "2 numbers each"))
    save_model(VAE(size=8, network="vector", latent_dim=3, width=4), tmp_path / "three.keras")
    refused("manifold", model=tmp_path / "three.keras", culprits=("three.keras", "3 latents"))
    save_model(VAE(size=8, network="vector", latent_dim=2, width=4), tmp_path / "alike.keras")
    refused("traverse", model=tmp_path / "alike.keras", culprits=("alike.keras", "no axis"))
