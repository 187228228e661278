"""Folders, archives and links as sources of images; and names of results, so that nothing is overwritten."""

import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import write_images
from imagevae.errors import BadInput
from imagevae.sources import EXTENSIONS, list_source, png_name


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    write_images(tmp_path / "pictures", 3)
    write_images(tmp_path / "pictures" / "sub ü", 2, seed=1)
    (tmp_path / "pictures" / "notes.txt").write_text("no image")
    return tmp_path / "pictures"


def contents(source: Path) -> dict[str, bytes]:
    return {item.name: item.read() for item in list_source(source).items}


def pack(folder: Path, archive: Path) -> Path:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
            for file in folder.rglob("*"):
                packed.write(file, file.relative_to(folder))
    else:
        with tarfile.open(archive, f"w:{archive.suffix[1:].replace('tar', '').replace('tgz', 'gz')}") as packed:
            packed.add(folder, ".")
    return archive


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tgz", "tar.bz2", "tar.xz", "zip"])
def test_an_archive_holds_what_its_folder_holds(kind: str, pictures: Path, tmp_path: Path):
    archive = pack(pictures, tmp_path / f"packed.{kind}")
    assert contents(archive) == contents(pictures)
    assert list_source(archive).left_aside == list_source(pictures).left_aside == 1


def test_archives_in_a_folder_count_as_folders(pictures: Path, tmp_path: Path):
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    pack(pictures, tmp_path / "folder" / "deep" / "one.tar")
    pack(pictures, tmp_path / "folder" / "two.zip")
    expected = {f"{archive}/{name}" for archive in ("deep/one.tar", "two.zip") for name in contents(pictures)}
    assert set(contents(tmp_path / "folder")) == expected


def test_images_come_in_the_order_of_their_names(pictures: Path):
    names = [item.name for item in list_source(pictures).items]
    assert names == sorted(names)
    assert names[-1] == "sub ü/0001.png"


@pytest.mark.parametrize("name", ["../out.png", "/tmp/out.png", "a/../../out.png"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_members_whose_names_lead_out_of_the_archive_are_rejected(name: str, kind: str, tmp_path: Path):
    archive = tmp_path / f"bad.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr(name, b"x")
            packed.writestr("fine.png", b"y")
    else:
        with tarfile.open(archive, "w") as tar:
            for member, content in ((name, b"x"), ("fine.png", b"y")):
                info = tarfile.TarInfo(member)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    listing = list_source(archive)
    assert [item.name for item in listing.items] == ["fine.png"]
    assert list(listing.rejected) == [name]


def test_links_to_files_are_followed_and_links_to_folders_are_not(pictures: Path, tmp_path: Path):
    outside = tmp_path / "outside.png"
    outside.write_bytes(b"outside")
    (pictures / "link.png").symlink_to(outside)
    (pictures / "loop").symlink_to(pictures)
    (pictures / "broken.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(pictures / "pipe.png")
    listing = list_source(pictures)
    assert {item.name: item.read() for item in listing.items}["link.png"] == b"outside"
    assert not any(item.name.startswith("loop") for item in listing.items)
    assert set(listing.rejected) == {"broken.png", "pipe.png"}


def test_names_of_any_kind(tmp_path: Path):
    names = [
        "new\nline.png",
        "e\u0301.png",
        "\u00e9.png",
        "x" * 251 + ".png",
        os.fsdecode(b"latin \xe9.png"),
        "a.b.PNG",
    ]
    for name in names:
        (tmp_path / name).write_bytes(name.encode(errors="surrogateescape"))
    assert contents(tmp_path) == {name: name.encode(errors="surrogateescape") for name in names}


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_a_damaged_archive_is_named(kind: str, pictures: Path, tmp_path: Path):
    archive = pack(pictures, tmp_path / f"packed.{kind}")
    archive.write_bytes(archive.read_bytes()[:700])
    with pytest.raises(BadInput, match=f"packed.{kind}"):
        list_source(archive)


def test_a_missing_or_empty_source_is_named(tmp_path: Path):
    for source in (tmp_path, tmp_path / "missing", tmp_path / "missing.tar"):
        with pytest.raises(BadInput, match=source.name):
            list_source(source)


names = st.builds(
    lambda stem, endings: stem + "".join(endings),
    st.sampled_from(["a", "b.c", "png", "ü ñ", "x.jpg/a"]),
    st.lists(st.sampled_from([*sorted(EXTENSIONS), ".PNG", ".Jpg"]), min_size=1, max_size=3),
)


@given(names, names)
def test_two_images_never_share_a_result(one: str, other: str):
    assert (png_name(one) == png_name(other)) == (one == other)


@given(names)
def test_results_are_named_png(name: str):
    assert png_name(name).lower().endswith(".png")


def test_a_png_keeps_its_name_and_others_keep_theirs_in_front():
    assert png_name("x/a.png") == "x/a.png"
    assert png_name("x/a.jpg") == "x/a.jpg.png"
