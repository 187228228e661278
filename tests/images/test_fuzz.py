"""Whatever the bytes are, decoding gives an image or says that they are none: the same each time, no crash, no hang."""

import contextlib
import ctypes
import json
import os
import random
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT
from image_corpus import DEEP, FILES, SUITE, animated, encoded, exif_jpeg, pack, tiff
from imagevae.cli.errors import BadInput
from imagevae.images.manifest import MANIFEST, Head, Row, format_head, format_row
from imagevae.images.sources import list_source
from imagevae.images.storage import ArrayShard

pytestmark = pytest.mark.endurance

MUTANTS = 50_000
MEMORY = 10**9  # bytes that decoding them may take
PATIENCE = 20  # seconds for one mutant
M_PERTURB = -6  # of glibc's malloc.h: fills memory that is allocated
FAX = np.random.default_rng(0).random((40, 60)) < 0.3
AT_RISK = [  # files whose decoders have left memory as it was, or read past their end
    *(animated(hidden) for hidden in (True, False)),
    *(encoded(Image.fromarray(FAX), "TIFF", compression=kind) for kind in ("group3", "group4", "tiff_ccitt")),
    *(
        tiff(pixels, photometric="rgb", planarconfig=planar, tile=tile, compression=compression)
        for planar, pixels in (("contig", DEEP), ("separate", DEEP.transpose(2, 0, 1)))
        for tile in (None, (16, 16))
        for compression in (None, "zlib", "lzw")
    ),
    exif_jpeg(6, 70_000),
]


def mutant(number: int, files: list[bytes]) -> bytes:
    """A damaged file, decided by its number alone."""
    choice = random.Random(number)
    data = bytearray(choice.choice(files))
    for kind in choice.choices(range(7), weights=[4, 4, 3, 1, 1, 2, 2], k=choice.randint(1, 3)):
        start, end = sorted(choice.randrange(len(data) + 1) for _ in range(2))
        if kind == 0:  # flipped bits
            for _ in range(choice.randint(1, 8)):
                data[choice.randrange(len(data))] ^= 1 << choice.randrange(8)
        elif kind == 1:  # noise, near the start mostly, where the headers are
            place = int(len(data) * choice.random() ** 3)
            data[place : place + 4] = choice.randbytes(choice.randint(1, 4))
        elif kind == 2:  # a length or a size
            value = choice.choice([0, 1, 255, 60_000, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1])
            data[start : start + 4] = value.to_bytes(4, choice.choice(["big", "little"]))
        elif kind == 3:  # cut short
            del data[start:]
        elif kind == 4:  # a piece lost
            del data[start:end]
        elif kind == 5:  # a piece twice
            data[end:end] = data[start:end]
        else:  # the end of another file
            other = choice.choice(files)
            data[start:] = other[choice.randrange(len(other)) :]
        if not data:
            return b""
    return with_checksums(data) if choice.random() < 0.5 else bytes(data)


def with_checksums(data: bytearray) -> bytes:
    """A PNG's checksums made right, so that what was changed is looked at."""
    place = 8
    while data[:4] == b"\x89PNG" and place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        data[end : end + 4] = zlib.crc32(data[place + 4 : end]).to_bytes(4, "big")
        place = end + 4
    return bytes(data)


def outcome(data: bytes, fill: int) -> tuple | str:
    """What comes of decoding with memory that was filled before: pixels, or why there are none."""
    from imagevae.images.codec import MAX_PIXELS, decode, flatten
    from imagevae.images.tiff import fill_freed

    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_PERTURB, fill)
        fill_freed(fill, step=128)
    try:
        pixels = decode(data)
    except BadInput as error:
        return str(error)
    assert pixels.dtype in (np.uint8, np.uint16)
    assert pixels.shape[2] in (1, 3, 4)
    assert 0 < pixels.shape[0] * pixels.shape[1] <= MAX_PIXELS
    assert flatten(pixels, (1, 2, 3)).shape == (*pixels.shape[:2], 3)
    return pixels.shape, str(pixels.dtype), pixels.tobytes()


def decode_mutants(progress: Path, start: int) -> None:
    """Decode mutants from a number on, twice each; the number of the one begun is left in a file."""
    from imagevae.images.complaints import quiet_decoders

    files = [*FILES.values(), *SUITE.values()], AT_RISK
    decoded = 0
    with progress.open("wb", buffering=0) as file, quiet_decoders():
        for number in range(start, MUTANTS):
            os.pwrite(file.fileno(), b"%d" % number, 0)
            signal.alarm(PATIENCE)  # ends this process
            data = mutant(number, files[number % 2])
            first, second = (outcome(data, fill) for fill in (0x55, 0xAA))
            if first != second:
                print(f"mutant {number} comes out differently", file=sys.stderr)
            decoded += not isinstance(first, str)
    status = Path("/proc/self/status").read_text() if sys.platform == "linux" else "VmHWM: 0 kB"
    [peak] = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
    print(json.dumps([decoded, peak * 1024]))


@pytest.mark.slow
def test_no_bytes_can_break_decoding(tmp_path: Path):
    """A crash, a hang or an exception ends the process that decodes; another one goes on behind that mutant."""
    progress, findings, decoded, start = tmp_path / "progress", [], 0, 0
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("stages", "tests"))
    environment = {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}
    while start < MUTANTS and len(findings) < 20:
        command = [sys.executable, __file__, progress, str(start)]
        result = subprocess.run(command, capture_output=True, text=True, env=environment)
        if result.stderr:
            findings.append(result.stderr)
        if result.returncode == 0:
            count, memory = json.loads(result.stdout)
            decoded += count
            assert memory < MEMORY
            break
        number = int(progress.read_text())
        findings.append(f"mutant {number} ended the process: {result.returncode}")
        start = number + 1
    assert findings == []
    assert 0.05 * MUTANTS < decoded < 0.9 * MUTANTS


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.bz2", "tar.xz", "zip"])
def test_no_bytes_can_break_reading_an_archive(kind: str, tmp_path: Path):
    for place, data in enumerate(list(FILES.values())[:3]):
        (tmp_path / "in" / "ü" / ("x" * 70 * place)).mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / "ü" / ("x" * 70 * place) / f"{place}.png").write_bytes(data)
    whole = pack(tmp_path / "in", tmp_path / f"whole.{kind}").read_bytes()
    archive = tmp_path / f"mutant.{kind}"
    read = 0
    for number in range(300):
        archive.write_bytes(mutant(number, [whole]))
        with contextlib.suppress(BadInput):
            for item in list_source(archive).items:
                with contextlib.suppress(BadInput):
                    read += len(item.read()) > 0
    assert read > 0 or kind in ("tar.bz2", "tar.xz")  # whose checksums leave nothing of a damaged one


@pytest.mark.parametrize("line", [0, 1])
def test_no_bytes_can_break_reading_a_manifest(line: int, tmp_path: Path):
    """Neither its head nor its rows: what is read comes from its shards, or nothing is."""
    shard = tmp_path / "00000-of-00001.npy"
    with shard.open("wb") as opened:
        array = ArrayShard(opened, 8)
        start = array.add("a", bytes(192))
        array.close()
    row = Row("a.png", "0" * 32, 9, 9, "0" * 32, shard.name, 0, start, 192)
    lines = [format_head(Head({}, {}, {}, {})), format_row(row)]
    for number in range(1500):
        damaged = [mutant(number, [whole]) if place == line else whole for place, whole in enumerate(lines)]
        (tmp_path / MANIFEST).write_bytes(b"".join(damaged))
        with contextlib.suppress(BadInput):
            for item in list_source(tmp_path).items:
                with contextlib.suppress(BadInput):
                    assert len(item.read()) <= shard.stat().st_size


if __name__ == "__main__":
    decode_mutants(Path(sys.argv[1]), int(sys.argv[2]))
