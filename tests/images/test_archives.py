"""Archives: each member comes as it is or is named, a damaged archive is named, and few files are open at a time."""

import bz2
import gzip
import io
import lzma
import os
import random
import resource
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import ROOT, assert_refused, run_stage, write_images
from imagevae.cli.errors import BadInput
from imagevae.images import archives, unpacked
from imagevae.images.left_aside import HIDDEN, LINK_MEMBER, OLDER_MEMBER, SPECIAL_MEMBER
from imagevae.images.sources import list_source

COMPRESSIONS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}
KINDS = ["tar", "tar.gz", "tar.bz2", "tar.xz", "tar.lzma"]


def tar_of(members: dict[str, bytes | tuple[bytes, str]], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar; members that are no files come with their type and what they link to."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, tuple):
                info.type, info.linkname = content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def zip_of(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return file.getvalue()


def packed(members: dict, kind: str) -> bytes:
    if kind == "zip":
        return zip_of(members)
    return COMPRESSIONS.get(kind.removeprefix("tar").removeprefix("."), bytes)(tar_of(members))


def contents(source: Path) -> dict[str, bytes]:
    return {item.name: item.read() for item in list_source(source).items}


IMAGES = {f"{number:02}.png": random.Random(number).randbytes(700 + 300 * number) for number in range(10)}


@pytest.mark.parametrize(
    "name", ["a.tar", "a.tgz", "a.tbz", "a.tbz2", "a.txz", "a.tlz", "a.tar.lzma", "A.TAR.GZ", "a.zip"]
)
@pytest.mark.parametrize("kind", [*KINDS, "zip"])
def test_the_content_decides_what_an_archive_is(name: str, kind: str, tmp_path: Path):
    (tmp_path / name).write_bytes(packed(IMAGES, kind))
    assert contents(tmp_path / name) == IMAGES
    assert contents(tmp_path) == {f"{name}/{image}": data for image, data in IMAGES.items()}


@pytest.mark.parametrize("sign", archives.UNREAD)
def test_archives_of_other_kinds_are_called_by_name(sign: bytes, tmp_path: Path):
    (tmp_path / "a.tar").write_bytes(sign + bytes(5000))
    with pytest.raises(BadInput, match=f"a.tar: not read: {archives.UNREAD[sign]}"):
        list_source(tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zips_of_each_method_and_streamed_ones(method: int, tmp_path: Path):
    (tmp_path / "a.zip").write_bytes(b"something in front" + zip_of(IMAGES, method))
    assert contents(tmp_path / "a.zip") == IMAGES

    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_) -> int:
            raise io.UnsupportedOperation

    stream = Unseekable()
    with zipfile.ZipFile(stream, "w", method) as packed:  # whose sizes come behind the members
        for name, content in IMAGES.items():
            packed.writestr(name, content)
    (tmp_path / "a.zip").write_bytes(stream.getvalue())
    assert contents(tmp_path / "a.zip") == IMAGES


@pytest.mark.parametrize("kind", KINDS)
def test_hard_links_are_the_member_that_they_name(kind: str, tmp_path: Path):
    members = {
        **IMAGES,
        "link.png": (tarfile.LNKTYPE, "00.png"),
        "again.png": (tarfile.LNKTYPE, "link.png"),
        "nothing.png": (tarfile.LNKTYPE, "/etc/passwd"),
        "soft.png": (tarfile.SYMTYPE, "00.png"),
        "dev.png": (tarfile.CHRTYPE, ""),
        "pipe.png": (tarfile.FIFOTYPE, ""),
    }
    (tmp_path / "a.tar").write_bytes(packed(members, kind))
    listing = list_source(tmp_path / "a.tar")
    found = {item.name: item.read() for item in listing.items}
    assert found == {**IMAGES, "link.png": IMAGES["00.png"], "again.png": IMAGES["00.png"]}
    assert listing.rejected == {"nothing.png": "a hard link to nothing in its archive"}
    assert listing.aside == {LINK_MEMBER: 1, SPECIAL_MEMBER: 2}


@pytest.mark.parametrize("kind", [*KINDS, "zip"])
def test_members_that_are_not_read_are_named_or_counted(kind: str, tmp_path: Path):
    members = {
        **IMAGES,
        "x/inner.zip": b"PK",
        "inner.TAR.gz": b"",
        "a.heic.txt": b"",
        "b.cr2": b"",
        ".c.png": b"",
        "README": b"",
    }
    (tmp_path / f"a.{kind}").write_bytes(packed(members, kind))
    listing = list_source(tmp_path)
    nested = "not read: a nested archive; unpack it"
    assert listing.rejected == {f"a.{kind}/x/inner.zip": nested, f"a.{kind}/inner.TAR.gz": nested}
    assert listing.aside == {".txt": 1, ".cr2": 1, HIDDEN: 1, "without an extension": 1}
    assert len(listing.items) == len(IMAGES)


def places(data: bytes, kind: str) -> list[int]:
    """Where to cut: everywhere in headers and at the boundaries of members, or in compressed ones here and there."""
    if kind == "tar":
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            starts = [member.offset for member in tar]
            ends = [member.offset_data + member.size for member in tar]
        mark = -(-ends[-1] // 512) * 512
        return sorted({*starts, *ends, *(start + 200 for start in starts), mark, mark + 511, mark + 512, mark + 1023})
    return list(range(0, len(data), max(1, len(data) // 40)))


@pytest.mark.parametrize("kind", [*KINDS, "zip"])
def test_an_archive_that_is_cut_short_is_named_wherever_it_is_cut(kind: str, tmp_path: Path):
    data = packed(IMAGES, kind)
    for place in places(data, kind):
        (tmp_path / f"a.{kind}").write_bytes(data[:place])
        with pytest.raises(BadInput, match=f"a.{kind}: a damaged archive"):
            list_source(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_header_is_no_end(kind: str, tmp_path: Path):
    data = bytearray(tar_of(IMAGES))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        data[tar.getmembers()[5].offset + 3] ^= 1
    (tmp_path / "a.tar").write_bytes(COMPRESSIONS.get(kind[4:], bytes)(bytes(data)))
    with pytest.raises(BadInput, match=r"a\.tar: a damaged archive"):
        list_source(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_joined_archives_are_not_read_by_half(kind: str, tmp_path: Path):
    (tmp_path / "a.tar").write_bytes(packed(IMAGES, kind) + packed(IMAGES, kind))
    with pytest.raises(BadInput, match="more behind its end mark"):
        list_source(tmp_path)


def test_one_damaged_member_of_a_zip_costs_one_image(tmp_path: Path):
    data = bytearray(zip_of(IMAGES, zipfile.ZIP_STORED))
    data[data.index(IMAGES["03.png"]) + 100] ^= 1
    data[data.index(b"PK\3\4", data.index(IMAGES["05.png"]))] = 0
    (tmp_path / "a.zip").write_bytes(data)
    for item in list_source(tmp_path / "a.zip").items:
        if item.name in ("03.png", "06.png"):
            with pytest.raises(BadInput, match="damaged in its archive"):
                item.read()
        else:
            assert item.read() == IMAGES[item.name]


def test_a_zip_with_a_password_is_said_to_be_locked(tmp_path: Path):
    data = bytearray(zip_of({"a.png": b"x"}))
    data[data.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    [item] = list_source(tmp_path / "a.zip").items
    with pytest.raises(BadInput, match="locked by a password"):
        item.read()


def test_a_member_that_unpacks_to_more_than_it_says_is_rejected(tmp_path: Path):
    data = bytearray(zip_of({"a.png": bytes(10**7)}))
    struct.pack_into("<I", data, data.index(b"PK\1\2") + 24, 1000)
    (tmp_path / "a.zip").write_bytes(data)
    [item] = list_source(tmp_path / "a.zip").items
    with pytest.raises(BadInput, match="damaged in its archive"):
        item.read()


@pytest.mark.parametrize("kind", ["tar.gz", "tar.xz"])
def test_only_images_are_unpacked_and_no_more_than_there_is_room_for(kind: str, tmp_path: Path, monkeypatch):
    """A text of 50 MB does not get into a temporary file, and images do not beyond a limit."""
    monkeypatch.setattr(unpacked, "MAX_UNPACKED", sum(map(len, IMAGES.values())))
    (tmp_path / f"a.{kind}").write_bytes(
        packed({"large.txt": bytes(50_000_000), **IMAGES, ".a/b.png": bytes(10**6)}, kind)
    )
    listing = list_source(tmp_path)
    assert os.fstat(listing.unpacked.file.fileno()).st_size == unpacked.MAX_UNPACKED
    (tmp_path / f"b.{kind}").write_bytes(packed({"b.png": b"x"}, kind))
    with pytest.raises(BadInput, match="its images take more than"):
        list_source(tmp_path)


def test_a_full_disk_is_named(tmp_path: Path):
    write_images(tmp_path / "in", 1)
    (tmp_path / "in" / "a.tgz").write_bytes(packed({"a.png": random.Random(0).randbytes(100_000)}, "tar.gz"))
    limits = (50_000, 50_000)  # bytes a file may have
    result = run_stage(
        *("rgba2rgb", "--input", tmp_path / "in", "--output", tmp_path / "out"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
    )
    assert_refused(result, "a.tgz: no room for its images", "TMPDIR")


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_there_may_be_more_archives_than_files_may_be_open(kind: str, tmp_path: Path):
    write_images(tmp_path / "one", 1)
    image = (tmp_path / "one" / "0000.png").read_bytes()
    (tmp_path / "in").mkdir()
    for number in range(300):
        (tmp_path / "in" / f"{number:03}.{kind}").write_bytes(packed({"a.png": image}, kind))
    result = run_stage(
        *("rgba2rgb", "--input", tmp_path / "in", "--output", tmp_path / "out"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)),
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert len(list((tmp_path / "out").rglob("*.png"))) == 300


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_threads_and_forked_processes_read_side_by_side(kind: str, tmp_path: Path):
    (tmp_path / f"a.{kind}").write_bytes(packed(IMAGES, kind))
    items = list(list_source(tmp_path / f"a.{kind}").items) * 50
    children = []
    for _ in range(3):
        if not (child := os.fork()):
            os._exit(any(item.read() != IMAGES[item.name] for item in items))
        children.append(child)
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda item: item.read() == IMAGES[item.name], items))
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "zip"])
def test_a_damaged_archive_ends_the_stage_in_one_line(kind: str, tmp_path: Path):
    write_images(tmp_path / "in", 200)
    images = {path.name: path.read_bytes() for path in (tmp_path / "in").glob("*.png")}
    data = packed(images, kind)
    (tmp_path / "in" / f"many.{kind}").write_bytes(data[: len(data) // 2])
    result = run_stage("rgba2rgb", "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert_refused(result, f"many.{kind}: a damaged archive")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def hostile_headers() -> list[bytes]:
    negative, loop = bytearray(tar_of(IMAGES)), bytearray(tar_of(IMAGES))
    for data, size in ((negative, -1), (loop, -1024)):
        header = tarfile.TarInfo("00.png")
        raw = bytearray(header.tobuf(tarfile.GNU_FORMAT))
        raw[124:136] = (256**12 + size).to_bytes(12, "big")
        raw[148:156] = b" " * 8
        raw[148:156] = b"%06o\0 " % sum(raw)
        data[1536:2048] = raw
    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 10**8
    names = long_name.tobuf(tarfile.GNU_FORMAT) + bytes(10**8 + 1024)
    chain = tarfile.TarInfo("x")
    chain.type, chain.size = tarfile.XHDTYPE, 0
    return [bytes(negative), bytes(loop), names, chain.tobuf(tarfile.USTAR_FORMAT) * 5000]


@pytest.mark.parametrize("compression", [bytes, gzip.compress])
@pytest.mark.parametrize("number", range(4))
def test_hostile_headers_of_tars_end_in_one_line(number: int, compression, tmp_path: Path):
    (tmp_path / "a.tar").write_bytes(compression(hostile_headers()[number]))
    script = "import sys; from pathlib import Path; from imagevae.images.sources import list_source\n"
    script += "list_source(Path(sys.argv[1]))"
    result = subprocess.run(
        [sys.executable, "-c", script, tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT / "stages")},
        capture_output=True,
        text=True,
        timeout=30,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29)),
    )
    assert "BadInput" in result.stderr.splitlines()[-1]
    assert "a damaged archive" in result.stderr.splitlines()[-1]


WHOLE = {kind: packed(IMAGES, kind) for kind in ("tar", "tar.gz", "zip")}


@given(
    kind=st.sampled_from(sorted(WHOLE)),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), min_size=1, max_size=3
    ),
)
@settings(max_examples=300)
def test_a_changed_archive_gives_right_images_or_a_reason(kind: str, changes: list[tuple[float, bytes]]):
    """Zips and compressed tars have checksums; a plain tar has them in its headers alone."""
    data = bytearray(WHOLE[kind])
    for where, content in changes:
        place = int(where * len(data))
        data[place : place + len(content)] = content
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / f"a.{kind}").write_bytes(data)
        try:
            items = list_source(Path(folder)).items
        except BadInput:
            return
        for item in items:
            try:
                content = item.read()
            except BadInput:
                continue
            if kind != "tar":
                assert content in IMAGES.values()


@pytest.mark.parametrize(("method", "name"), [*archives.METHODS.items(), (6, "method 6")])
def test_a_method_of_zips_that_is_not_read_is_called_by_its_name(method: int, name: str, tmp_path: Path):
    data = bytearray(zip_of({"a.png": b"x"}))
    struct.pack_into("<H", data, data.index(b"PK\1\2") + 10, method)
    struct.pack_into("<H", data, 8, method)
    (tmp_path / "a.zip").write_bytes(data)
    [item] = list_source(tmp_path / "a.zip").items
    with pytest.raises(BadInput, match=f"not read: {name}, by which"):
        item.read()


def test_joined_zips_are_not_read_by_half(tmp_path: Path):
    """A zip is read from its end, where the directory of the last one is."""
    (tmp_path / "a.zip").write_bytes(zip_of(IMAGES) + zip_of({"a.png": b"x"}))
    with pytest.raises(BadInput, match="more before its first member"):
        list_source(tmp_path)
    (tmp_path / "a.zip").write_bytes(zip_of({}))
    (tmp_path / "b.zip").write_bytes(zip_of(IMAGES))
    assert len(list_source(tmp_path).items) == len(IMAGES)


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_of_members_of_one_name_the_last_one_counts_and_the_others_are_counted(kind: str, tmp_path: Path):
    file = io.BytesIO()
    if kind == "tar":
        file.write(tar_of({"a.png": b"old"})[:1024] + tar_of({"./a.png": b"new"}))
    else:
        with zipfile.ZipFile(file, "w") as packed:
            packed.writestr("a.png", b"old")
            with pytest.warns(UserWarning, match="Duplicate"):
                packed.writestr("a.png", b"new")
    (tmp_path / f"a.{kind}").write_bytes(file.getvalue())
    assert contents(tmp_path / f"a.{kind}") == {"a.png": b"new"}
    assert list_source(tmp_path).aside == {OLDER_MEMBER: 1}
