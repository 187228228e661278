"""Folders, archives and links as sources of images; and names of results, so that nothing is overwritten."""

import io
import os
import socket
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import assert_refused, run_stage, without_privileges, write_images
from image_corpus import pack
from imagevae.cli.errors import BadInput
from imagevae.cli.ours import MARK
from imagevae.images.left_aside import LINK_AGAIN, LINK_OUT, report
from imagevae.images.listing import MAX_BYTES
from imagevae.images.sources import list_source, state


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


def test_links_to_files_are_followed(pictures: Path, tmp_path: Path):
    (tmp_path / "outside.png").write_bytes(b"outside")
    (pictures / "link.png").symlink_to(tmp_path / "outside.png")
    assert contents(pictures)["link.png"] == b"outside"


def test_links_to_folders_are_followed_once_and_not_out_of_the_source(pictures: Path, tmp_path: Path):
    """Where a folder is read anyway, a link adds nothing; in hidden folders lies what only a link makes visible."""
    before = contents(pictures)
    write_images(tmp_path / "outside", 1)
    write_images(pictures / ".pool" / "cats", 2, seed=2)
    links = {"a": "sub ü", "loop": ".", "cats": ".pool/cats", "more cats": ".pool/cats", "sub ü/up": "..", ".b": "."}
    for name, target in links.items():
        (pictures / name).symlink_to(target)
    (pictures / ".pool" / "cats" / "loop").symlink_to("../cats")
    (pictures / "out").symlink_to(tmp_path / "outside")
    listing = list_source(pictures)
    cats = {f"cats/{file.name}": file.read_bytes() for file in (pictures / ".pool" / "cats").glob("*.png")}
    assert {item.name: item.read() for item in listing.items} == before | cats
    assert listing.aside[LINK_OUT] == 1
    assert listing.aside[LINK_AGAIN] == 5  # a, loop, more cats, sub ü/up, cats/loop
    assert [line for line in report(listing.aside, pictures) if "DVC" in line]


def test_changes_are_seen_wherever_images_are_read(pictures: Path, tmp_path: Path):
    write_images(pictures / ".pool", 1)
    (pictures / "pool").symlink_to(".pool")
    (tmp_path / "outside.png").write_bytes(b"outside")
    (pictures / "link.png").symlink_to(tmp_path / "outside.png")
    states = {state(pictures)}
    (pictures / ".pool" / "0000.png").write_bytes(b"changed")
    states.add(state(pictures))
    (tmp_path / "outside.png").write_bytes(b"changed as well")
    states.add(state(pictures))
    (pictures / "pool").unlink()
    states.add(state(pictures))
    assert len(states) == 4


def test_what_is_no_file_is_named_and_never_opened(pictures: Path, tmp_path: Path):
    os.mkfifo(pictures / "pipe.png")
    os.mkfifo(pictures / "pipe.zip")
    (pictures / "link.png").symlink_to("pipe.png")
    (pictures / "zero.png").symlink_to("/dev/zero")
    (pictures / "broken.png").symlink_to(tmp_path / "nowhere")
    (pictures / "loop.png").symlink_to("loop.png")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(pictures / "s.png"))
        rejected = list_source(pictures).rejected
        with pytest.raises(BadInput, match="a socket"):
            list_source(pictures / "s.png")
    assert rejected == {
        **dict.fromkeys(("pipe.png", "pipe.zip", "link.png"), "a FIFO, not a file"),
        **{"zero.png": "a device, not a file", "s.png": "a socket, not a file"},
        **{"broken.png": "a broken link", "loop.png": "a broken link"},
    }
    for name, what in (("pipe.png", "a FIFO"), ("zero.png", "a device"), ("pipe.zip", "a FIFO")):
        with pytest.raises(BadInput, match=what):
            list_source(pictures / name)


def test_a_link_into_a_folder_without_permission_is_an_error_of_the_run(pictures: Path, tmp_path: Path):
    """The image may be there, and readable tomorrow."""
    write_images(tmp_path / "closed", 1)
    (pictures / "link.png").symlink_to(tmp_path / "closed" / "0000.png")
    (tmp_path / "closed").chmod(0)
    result = run_stage(
        *("rgba2rgb", "--input", pictures, "--output", tmp_path / "out", "--max_rejected", 1),
        preexec_fn=without_privileges,
    )
    (tmp_path / "closed").chmod(0o700)
    assert_refused(result, "link.png", "Permission denied")


def test_a_file_that_becomes_a_fifo_is_not_waited_for(pictures: Path):
    item = list_source(pictures).items[0]
    (pictures / item.name).unlink()
    os.mkfifo(pictures / item.name)
    with pytest.raises(BadInput, match="a FIFO"):
        item.read()


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
def test_a_damaged_archive_in_a_folder_is_named_too(kind: str, pictures: Path, tmp_path: Path):
    """It may hold more images than the rest of the folder: to reject it as one would pass over all of them."""
    archive = pack(pictures, tmp_path / f"packed.{kind}")
    (pictures / archive.name).write_bytes(archive.read_bytes()[:700])
    with pytest.raises(BadInput, match=f"packed.{kind}: a damaged archive"):
        list_source(pictures)


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


def test_a_mark_of_ours_is_not_left_aside(pictures: Path):
    before = list_source(pictures).left_aside
    (pictures / MARK).write_text('{"made": []}')
    assert list_source(pictures).left_aside == before
    (pictures / MARK).write_text('{"made": [], "whole": false}')
    with pytest.raises(BadInput, match="half-written"):
        list_source(pictures)
