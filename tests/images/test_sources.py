"""Folders, archives and links as sources of images; and names of results, so that nothing is overwritten."""

import io
import os
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import write_images
from imagevae.cli.errors import BadInput
from imagevae.images.listing import MAX_BYTES
from imagevae.images.manifest import MANIFEST, Head, Row, format_head, format_row
from imagevae.images.sources import list_source


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    write_images(tmp_path / "pictures", 3)
    write_images(tmp_path / "pictures" / "sub ü", 2, seed=1)
    (tmp_path / "pictures" / "empty" / "below").mkdir(parents=True)
    (tmp_path / "pictures" / ".hidden").mkdir()
    for name in ("notes.txt", ".DS_Store", "Thumbs.db", "sub ü/.a.png", ".hidden/a.png", ".hidden/b.png"):
        (tmp_path / "pictures" / name).write_text("no image")
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
    assert list_source(archive).left_aside == list_source(pictures).left_aside == 6
    with ThreadPoolExecutor(4) as pool:
        items = list_source(archive).items
        assert list(pool.map(lambda item: item.read(), list(items) * 20)) == list(contents(pictures).values()) * 20


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


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_a_damaged_archive_in_a_folder_is_rejected_alone(kind: str, pictures: Path, tmp_path: Path):
    whole = contents(pictures)
    archive = pack(pictures, tmp_path / f"packed.{kind}")
    (pictures / archive.name).write_bytes(archive.read_bytes()[:700])
    assert contents(pictures) == whole
    assert list(list_source(pictures).rejected) == [archive.name]


def test_a_missing_or_empty_source_is_named(tmp_path: Path):
    for source in (tmp_path, tmp_path / "missing", tmp_path / "missing.tar"):
        with pytest.raises(BadInput, match=source.name):
            list_source(source)


def test_files_of_more_bytes_than_any_image_has_are_not_read(tmp_path: Path):
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # takes no space on the disk
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as packed:
        packed.writestr("b.png", b"few")
        packed.infolist()[0].file_size = MAX_BYTES + 1  # as the archive's directory will have it
    for item in list_source(tmp_path).items:
        with pytest.raises(BadInput, match="bytes"):
            item.read()


@pytest.mark.parametrize("name", ["../a.png", "/a.png", "b/../../a.png"])
def test_names_in_a_manifest_do_not_lead_out_either(name: str, tmp_path: Path):
    row = Row(name, "", 1, 1, "", "00000-of-00001.tar", 0, 0, 1)
    (tmp_path / MANIFEST).write_bytes(format_head(Head({}, {}, {}, {})) + format_row(row))
    listing = list_source(tmp_path)
    assert (list(listing.items), list(listing.rejected)) == ([], [name])
