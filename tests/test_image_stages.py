"""rgba2rgb and resize by hand: what they write, what they refuse, and that they leave nothing half-written."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from conftest import assert_refused, results, run_here, run_stage, tree, write_images

both_stages = pytest.mark.parametrize("stage", ["rgba2rgb", "resize"])


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    write_images(tmp_path / "pictures", 3)
    return tmp_path / "pictures"


def read(file: Path) -> np.ndarray:
    return cv2.imread(str(file), cv2.IMREAD_UNCHANGED)


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
    assert set(results(tmp_path / "out")) == {"a.png", "a.bmp.png", "ü ñ/b.c.png", "ü ñ/a.png", "B.PNG"}
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
        assert results(tmp_path / "kept rgb") == tree(tmp_path / "kept")
        assert [read(tmp_path / "kept small" / f"{seed}.jpg.png").tobytes() for seed in range(3)] == [
            read(tmp_path / "anew small" / f"{seed}.bmp.png.png").tobytes() for seed in range(3)
        ]
    else:
        arrays = [np.load(tmp_path / f"{folder} small" / "00000-of-00001.npy") for folder in ("kept", "anew")]
        assert np.array_equal(*arrays)


@both_stages
def test_image_stages_give_the_same_bytes_each_time(stage: str, pictures: Path, tmp_path: Path):
    before = tree(pictures)
    for output in ("out", "out", "new/out"):
        arguments = ("--input", pictures, "--output", tmp_path / output, "--contact_sheet", tmp_path / "sheet.png")
        assert run_stage(stage, *arguments).returncode == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "new/out")
    assert len(results(tmp_path / "out")) == 3
    assert tree(pictures) == before
    assert read(tmp_path / "sheet.png") is not None


def test_resize_gives_squares_of_the_size(pictures: Path, tmp_path: Path):
    for size in (8, 33):
        out = tmp_path / str(size)
        assert run_here("resize", "--input", pictures, "--output", out, "--size", size).returncode == 0
        assert {read(out / name).shape for name in results(out)} == {(size, size, 3)}


@both_stages
def test_image_stages_refuse_bad_input_and_write_nothing(stage: str, pictures: Path, tmp_path: Path):
    def refused(source: Path, output: Path, *culprits: object) -> None:
        before = tree(tmp_path)
        assert_refused(run_here(stage, "--input", source, "--output", output), *culprits)
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
