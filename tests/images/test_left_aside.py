"""What is left aside is counted by kind, and what may be missed is named with advice."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import assert_refused, run_stage, write_images
from imagevae.images import left_aside, listing
from imagevae.images.left_aside import KINDS, LeftAside, in_words, kind_of, report
from imagevae.images.manifest import MANIFEST, read_head


def test_kinds():
    names = [".DS_Store", "README", "a.TXT", "b.tar.heic", "c.a b", "d.", "e." + 20 * "x", "f.C++"]
    kinds = ["hidden", "without an extension", ".txt", ".heic", "other", "other", "other", ".c++"]
    assert [kind_of(name) for name in names] == kinds


def test_in_words():
    counts = Counter({".txt": 3, "hidden": 2, "empty folder": 1, ".heic": 900})
    assert in_words(counts) == "900 .heic, 3 .txt, 2 hidden, 1 empty folder"
    assert in_words(Counter({"empty folder": 2})) == "2 empty folders"
    assert in_words(Counter({f".{number:02}": 1 for number in range(15)})).endswith(" .11, 3 of 3 more kinds")


@given(st.lists(st.text(min_size=1)))
def test_all_are_counted_in_little_memory(names: list[str]):
    counts = LeftAside()
    for name in [*names, *(f"a.{number}" for number in range(2 * KINDS))]:
        counts.add_name(name)
    assert counts.total() == len(names) + 2 * KINDS
    assert len(counts) <= KINDS + 1


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a.HEIC", "HEIC is read where pillow-heif is installed"),
        ("a.jxl", "JPEG XL is read where pillow-jxl-plugin is installed"),
        ("a.cr2", "convert them"),
        ("a.psd", "convert them"),
        ("a.svg", "convert them"),
        ("a.rar", "unpack them"),
    ],
)
def test_what_looks_like_a_picture_or_archive_is_warned_of(name: str, advice: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(left_aside, "find_spec", lambda module: None)
    counts = LeftAside()
    counts.add_name(name)
    _, warning = report(counts, Path("mine"))
    assert warning.startswith(f"mine: warning: 1 {Path(name).suffix.lower()} left aside, which look like")
    assert advice in warning


def test_plug_ins_add_extensions(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(listing, "plugin_extensions", left_aside.plugin_extensions.__wrapped__)
    for installed, read in (("", set()), ("pillow_heif", {".heic", ".heif", ".hif"}), ("pillow_jxl", {".jxl"})):
        monkeypatch.setattr(left_aside, "find_spec", lambda module, installed=installed: module == installed)
        assert listing.extensions.__wrapped__() == listing.EXTENSIONS | read


def test_stages_say_what_they_leave_aside(tmp_path: Path):
    write_images(tmp_path / "in", 3)
    for name in ("a.nef", "b.nef", "c.txt", ".hidden"):
        (tmp_path / "in" / name).touch()
    (tmp_path / "in" / "empty").mkdir()
    result = run_stage("rgba2rgb", "--input", tmp_path / "in", "--output", tmp_path / "out", "--format", "shards")
    assert result.returncode == 0
    count, warning = result.stderr.splitlines()
    assert count.endswith("5 files or folders left aside: 2 .nef, 1 .txt, 1 empty folder, 1 hidden")
    assert "warning: 2 .nef left aside, which look like pictures" in warning
    counts = read_head(tmp_path / "out" / MANIFEST).counts
    kinds = {".nef": 2, ".txt": 1, "empty folder": 1, "hidden": 1}
    assert counts == {"images": 3, "rejected": 0, "left_aside": 5, "left_aside_by_kind": kinds}


def test_a_folder_without_any_image_says_what_it_holds(tmp_path: Path):
    for number in range(3):
        (tmp_path / f"{number}.psd").touch()
    result = run_stage("rgba2rgb", "--input", tmp_path, "--output", tmp_path.with_name("none"))
    assert_refused(result, "no image in it (3 .psd in it)", "convert them to PNG or JPEG")
