"""Image stages among damaged and hostile files, odd names and changing folders, and alone when they are stopped."""

import io
import os
import re
import resource
import signal
import struct
import sys
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from audit import at_moment
from conftest import assert_refused, run_stage, tree, without_privileges, write_images
from image_files import chunk
from imagevae.cli.ours import MARK
from imagevae.dataset.squares import read_squares
from imagevae.images.left_aside import EMPTY, LINK_AGAIN, LINK_MEMBER, LINK_OUT, SPECIAL_MEMBER, in_words
from imagevae.images.manifest import read_head, read_rows

IMAGE_STAGES = ["rgba2rgb", "resize"]
FORMATS = ["files", "shards"]

both_stages = pytest.mark.parametrize("stage", IMAGE_STAGES)
both_formats = pytest.mark.parametrize("form", FORMATS)


def encoded(kind: str, height: int, width: int) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def resized_header(kind: str, side: int) -> bytes:
    """A file of 8 x 8 pixels that claims side x side."""
    data = bytearray(encoded(kind, 8, 8))
    place, form = {
        "PNG": (16, ">II"),
        "JPEG": (data.find(b"\xff\xc0") + 5, ">HH"),
        "GIF": (6, "<HH"),
        "BMP": (18, "<II"),
        "AVIF": (data.find(b"ispe") + 8, ">II"),
    }[kind]
    struct.pack_into(form, data, place, side, side)
    if kind == "PNG":
        data[8:33] = chunk(b"IHDR", bytes(data[16:29]))
    return bytes(data)


def write_webp_of(side: int) -> bytes:
    extended = b"VP8X" + struct.pack("<IB3x", 10, 0x10) + (side - 1).to_bytes(3, "little") * 2
    content = b"WEBP" + extended + encoded("WEBP", 8, 8)[12:]
    return b"RIFF" + struct.pack("<I", len(content)) + content


def write_tiff_of(side: int) -> bytes:
    data = bytearray(encoded("TIFF", 8, 8))
    [directory] = struct.unpack_from("<I", data, 4)
    for entry in range(2):  # the first two are width and height
        struct.pack_into("<HHII", data, directory + 2 + 12 * entry, 256 + entry, 4, 1, side)
    return bytes(data)


PNG = encoded("PNG", 8, 9)
FLIPPED = PNG[:60] + bytes([PNG[60] ^ 1]) + PNG[61:]

GOOD = {
    "1x1.png": encoded("PNG", 1, 1),
    "20000x10.png": encoded("PNG", 10, 20000),
    "10x20000.jpg": encoded("JPEG", 20000, 10),
    "a jpeg.png": encoded("JPEG", 8, 9),
    "a webp.gif": encoded("WEBP", 8, 9),
    "folder/plain.bmp": encoded("BMP", 8, 9),
}
BAD = {  # and what the reason says
    "bad/cut.png": (PNG[:-30], "cut short"),
    "bad/cut.jpg": (encoded("JPEG", 8, 9)[:-30], "cut short"),
    "bad/cut.webp": (encoded("WEBP", 8, 9)[:-30], "damaged"),
    "bad/empty.png": (b"", "empty"),
    "bad/checksum.png": (FLIPPED, "damaged"),
    "bad/text.jpg": (b"no image", "not an image"),
    "bad/postscript.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not read: PostScript"),
    **{
        f"bad/huge.{kind.lower()}": (resized_header(kind, 60_000), "pixels" if kind != "AVIF" else "at its start")
        for kind in ("PNG", "JPEG", "GIF", "BMP", "AVIF")
    },
    "bad/huge.webp": (write_webp_of(60_000), "pixels"),
    "bad/huge.tiff": (write_tiff_of(60_000), "pixels"),
    "bad/large.tiff": (write_tiff_of(12_000), "pixels"),
    "bad/new\nline.png": (b"", "empty"),
}
ASIDE = [".DS_Store", "Thumbs.db", "notes.txt", ".hidden.png", "folder/README", ".git/config"]
KINDS = {"hidden": 3, ".db": 1, ".txt": 1, EMPTY: 1, LINK_AGAIN: 1, "without an extension": 1}


def results(folder: Path) -> set[str]:
    """What a stage wrote into a folder besides its mark."""
    return set(tree(folder)) - {MARK}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder of all sorts."""
    folder = tmp_path / "mixed"
    files = GOOD | {name: data for name, (data, _) in BAD.items()} | dict.fromkeys(ASIDE, b"x")
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "empty").mkdir()
    (folder / "link").symlink_to(folder / "folder")
    return folder


def in_little_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (4 * 2**30,) * 2)


@both_stages
@both_formats
def test_bad_files_cost_nothing_but_themselves(stage: str, form: str, mixed: Path, tmp_path: Path):
    arguments = ("--input", mixed, "--output", tmp_path / "out", "--format", form)
    result = run_stage(stage, *arguments, "--max_rejected", 0.9, preexec_fn=in_little_memory)
    assert result.returncode == 0, result.stderr
    aside, counts, *table = result.stderr.splitlines()
    assert aside == f"{mixed}: {len(ASIDE) + 2} files or folders left aside: {in_words(Counter(KINDS))}"
    assert counts == f"{mixed}: {len(BAD)} of {len(GOOD) + len(BAD)} images rejected"
    assert len(table) == len(BAD)
    for line, name in zip(table, sorted(BAD), strict=True):
        assert re.fullmatch(rf"  {re.escape(repr(name))} +.*{BAD[name][1]}.*", line)
    if form == "shards":
        head = read_head(tmp_path / "out" / "manifest.jsonl")
        assert sorted(row.name for row in read_rows(tmp_path / "out" / "manifest.jsonl")) == sorted(GOOD)
        assert head.rejected.keys() == BAD.keys()
        counts = {"images": len(GOOD), "rejected": len(BAD), "left_aside": len(ASIDE) + 2}
        assert head.counts == {**head.counts, **counts, "left_aside_by_kind": KINDS}
    else:
        assert len(results(tmp_path / "out")) == len(GOOD)

    result = run_stage(stage, "--input", mixed, "--output", tmp_path / "none", "--format", form)
    assert_refused(result, mixed, f"{len(BAD)} of {len(GOOD) + len(BAD)}", "max_rejected=0.01")
    assert result.stderr.splitlines()[2:-1] == table
    assert not (tmp_path / "none").exists()


@both_stages
def test_files_of_any_name_are_written_or_rejected_alone(stage: str, tmp_path: Path):
    names = ["new\nline.png", "e\u0301.png", "\u00e9.png", "-rf.png", "~.png", "$HOME `id`.png", "a.png/b.png"]
    names += ["x" * 251 + ".png", "y" * 247 + ".jpg", os.fsdecode(b"latin \xe9.png"), "c.jpg"]
    # as files they would lie in a file, namely c.jpg's, be 259 bytes long, and too deep for Python
    unfit = ["c.jpg.png/d.png", "z" * 251 + ".jpg", "d/" * 450 + "e.png"]
    for name in names + unfit:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(PNG)
    for form, rejected in (("files", unfit), ("shards", [])):
        arguments = ("--input", tmp_path / "in", "--output", tmp_path / form, "--max_rejected", 0.3, "--format", form)
        result = run_stage(stage, *arguments)
        assert result.returncode == 0, result.stderr
        assert [line.split("'")[1] for line in result.stderr.splitlines()[1:]] == sorted(rejected)
    assert len(results(tmp_path / "files")) == len(names)
    rows = read_rows(tmp_path / "shards" / "manifest.jsonl")
    assert sorted(row.name for row in rows) == sorted(names + unfit)
    again = run_stage("resize", "--input", tmp_path / "shards", "--output", tmp_path / "again", "--format", "shards")
    assert (stage, again.returncode) in (("rgba2rgb", 0), ("resize", 2))  # arrays are no images


@both_stages
@both_formats
def test_links_and_members_lead_nowhere_else(stage: str, form: str, tmp_path: Path):
    source, outside = tmp_path / "in", tmp_path / "outside"
    source.mkdir()
    outside.mkdir()
    (outside / "far.png").write_bytes(PNG)
    (source / "near.png").write_bytes(PNG)
    links = {"link.png": outside / "far.png", "broken.png": outside / "missing.png", "loop.png": source / "loop.png"}
    for name, target in (links | {"folder": outside, "up": source, "folder.png": outside}).items():
        (source / name).symlink_to(target)
    leading_out = ["../up.png", "/abs.png", f"{outside}/abs.png", "a/../../b.png", "nul\0.png"]
    with tarfile.open(source / "some.tar", "w") as tar:
        for name in [*leading_out, "fine.png"]:
            member = tarfile.TarInfo(name)
            member.size = len(PNG)
            member.pax_headers = {"path": name}
            tar.addfile(member, io.BytesIO(PNG))
        for name, kind in (("soft.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE), ("dev.png", tarfile.CHRTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, str(outside / "far.png")
            tar.addfile(member)
    arguments = ("--input", source, "--output", tmp_path / "out", "--max_rejected", 1, "--format", form)
    result = run_stage(stage, *arguments)
    assert result.returncode == 0, result.stderr
    aside, warning, _, *table = result.stderr.splitlines()
    kinds = Counter({LINK_OUT: 2, LINK_AGAIN: 1, LINK_MEMBER: 1, SPECIAL_MEMBER: 1})
    assert aside == f"{source}: 5 files or folders left aside: {in_words(kinds)}"
    assert "DVC does not track" in warning
    rejected = ["broken.png", "loop.png", "some.tar/hard.png", *(f"some.tar/{name}" for name in leading_out)]
    assert [line.split("  ")[1] for line in table] == [repr(name) for name in sorted(rejected)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out", "outside"]
    assert list(tree(outside)) == ["far.png"]
    if form == "files":
        assert results(tmp_path / "out") == {"near.png", "link.png", "some.tar/fine.png"}


# What goes wrong outside of the images


@both_stages
@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file here that opens and can't be read")
def test_a_file_that_cannot_be_read_is_named(stage: str, tmp_path: Path):
    write_images(tmp_path / "in", 300)
    (tmp_path / "in" / "unreadable.png").symlink_to("/proc/self/mem")
    result = run_stage(stage, "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert_refused(result, "unreadable.png", "Input/output error")
    assert not (tmp_path / "out").exists()


@both_stages
@pytest.mark.parametrize("hidden", ["0001.png", "below"])
@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
def test_a_file_or_folder_without_permission_is_named(stage: str, hidden: str, tmp_path: Path):
    write_images(tmp_path / "in" / "below", 2)
    write_images(tmp_path / "in", 300)
    (tmp_path / "in" / hidden).chmod(0)
    arguments = ("--input", tmp_path / "in", "--output", tmp_path / "out")
    result = run_stage(stage, *arguments, preexec_fn=without_privileges)
    (tmp_path / "in" / hidden).chmod(0o700)
    assert_refused(result, hidden, "Permission denied")
    assert not (tmp_path / "out").exists()


@both_stages
@both_formats
def test_an_output_that_grows_too_large_is_named_and_leaves_nothing(stage: str, form: str, tmp_path: Path):
    write_images(tmp_path / "in", 8, size=64)
    arguments = ("--input", tmp_path / "in", "--output", tmp_path / "out", "--format", form)
    limits = (2000, 2000)  # bytes a file may have
    result = run_stage(stage, *arguments, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits))
    assert_refused(result, tmp_path / "out", "File too large")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


CHANGES = {
    "edited": "cp {0}/0001.png {0}/0000.png",
    "cut short": "truncate --size=50 {0}/0000.png",
    "deleted early": "rm {0}/0000.png",
    "deleted late": "rm {0}/0299.png",
    "added": "cp {0}/0000.png {0}/another.png",
    "renamed": "mv {0}/0000.png {0}/renamed.png",
}


@pytest.mark.parametrize("change", CHANGES)
@both_formats
def test_a_folder_that_changes_meanwhile_is_noticed(form: str, change: str, tmp_path: Path):
    source = tmp_path / "in"
    write_images(source, 300)
    action = f"subprocess.run({CHANGES[change].format(source)!r}, shell=True)"
    environment = os.environ | at_moment(tmp_path / "hook", "rgba2rgb", "in/0", 150, action)
    arguments = ("--input", source, "--output", tmp_path / "out", "--format", form)
    result = run_stage("rgba2rgb", *arguments, env=environment)
    assert_refused(result, "0299.png: No such file" if change == "deleted late" else f"{source}: changed")
    assert not (tmp_path / "out").exists()


@both_stages
@both_formats
@pytest.mark.parametrize("where", ["in/0", ".partial"])
def test_ctrl_c_stops_a_stage_and_leaves_nothing(stage: str, form: str, where: str, tmp_path: Path):
    write_images(tmp_path / "in", 300)
    moment = 150 if where == "in/0" or form == "files" else 1
    action = "os.kill(os.getpid(), 2)"
    environment = os.environ | at_moment(tmp_path / "hook", stage, where, moment, action)
    result = run_stage(
        stage,
        *("--input", tmp_path / "in", "--output", tmp_path / "out", "--format", form),
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a run in the background ignores
    )
    assert (result.returncode, result.stderr) == (130, f"\n{stage}: stopped\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hook", "in"]


@both_stages
@both_formats
def test_a_stage_that_is_killed_does_not_begin_again(stage: str, form: str, tmp_path: Path):
    """It may be for want of memory; only what crashes is tried once more."""
    write_images(tmp_path / "in", 30)
    environment = os.environ | at_moment(tmp_path / "hook", stage, "in/0", 20, "os.kill(os.getpid(), 9)")
    arguments = ("--input", tmp_path / "in", "--output", tmp_path / "out", "--format", form)
    result = run_stage(stage, *arguments, env=environment)
    assert_refused(result, "SIGKILL", "too little memory")
    assert not (tmp_path / "out").exists()


@both_stages
@pytest.mark.parametrize("name", ["pipe", "pipe.tar", "folder/pipe.png"])
def test_a_fifo_is_not_waited_for(stage: str, name: str, tmp_path: Path):
    write_images(tmp_path / "folder", 3)
    os.mkfifo(tmp_path / name)
    arguments = ("--input", tmp_path / name, "--output", tmp_path / "out")
    assert_refused(run_stage(stage, *arguments, timeout=60), name, "a FIFO")
    arguments = ("--input", tmp_path / "folder", "--output", tmp_path / "out", "--max_rejected", 0.5)
    result = run_stage(stage, *arguments, timeout=60)
    assert result.returncode == 0, result.stderr
    assert ("a FIFO, not a file" in result.stderr) == name.startswith("folder")


@both_stages
@pytest.mark.parametrize("first", FORMATS)
@both_formats
def test_an_output_holds_what_the_last_run_made_and_nothing_else(stage: str, first: str, form: str, tmp_path: Path):
    """Images that were deleted, or are broken now, leave nothing behind; nor does the other form."""
    write_images(tmp_path / "in", 6)
    arguments = ("--input", tmp_path / "in", "--output", tmp_path / "out", "--max_rejected", 0.9)
    sheet = ("--contact_sheet", tmp_path / "out" / "sheets" / "sheet.png")
    assert run_stage(stage, *arguments, *sheet, "--format", first).returncode == 0
    (tmp_path / "in" / "0000.png").unlink()
    (tmp_path / "in" / "0001.png").write_bytes(b"broken")
    for folder in ("out", "fresh"):
        arguments = ("--input", tmp_path / "in", "--output", tmp_path / folder, "--max_rejected", 0.9)
        assert run_stage(stage, *arguments, "--format", form).returncode == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "fresh")
    assert len(read_squares(tmp_path / "out")) == 4 if stage == "resize" else True


@both_stages
@both_formats
def test_folders_of_others_are_refused_before_anything_is_touched(stage: str, form: str, tmp_path: Path):
    write_images(tmp_path / "in", 3)
    write_images(tmp_path / "mine" / ".partial", 2)
    arguments = ("--input", tmp_path / "in", "--output", tmp_path / "mine", "--format", form)
    before = tree(tmp_path)
    result = run_stage(stage, *arguments, "--contact_sheet", tmp_path / "sheet.png")
    assert_refused(result, tmp_path / "mine", "'.partial'", "new or an empty folder")
    assert tree(tmp_path) == before
