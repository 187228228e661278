"""Whatever the bytes are, decoding gives an image or says that they are none: no crash, no hang, bounded memory."""

import contextlib
import os
import random
import resource
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from test_codec import FILES, SUITE
from test_sources import pack

from conftest import ROOT
from imagevae.cli.errors import BadInput
from imagevae.images.sources import list_source

MUTANTS = 24_000
MEMORY = 3 * 2**30  # address space, in bytes; MAX_PIXELS of 4 bytes, and what decoding them takes, are under 2 GiB
PATIENCE = 20  # seconds for one mutant


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


def decode_mutants(progress: Path) -> None:
    """Decode all mutants; the number of the last one begun is left in a file."""
    from imagevae.images.codec import MAX_PIXELS, decode, flatten, quiet_decoders

    files = [*FILES.values(), *SUITE.values()]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    decoded = 0
    with progress.open("wb", buffering=0) as file, quiet_decoders():
        for number in range(MUTANTS):
            os.pwrite(file.fileno(), b"%d" % number, 0)
            signal.alarm(PATIENCE)  # ends this process
            try:
                pixels = decode(mutant(number, files))
            except BadInput:
                continue
            assert pixels.dtype in (np.uint8, np.uint16)
            assert pixels.shape[2] in (1, 3, 4)
            assert 0 < pixels.shape[0] * pixels.shape[1] <= MAX_PIXELS
            assert flatten(pixels, (1, 2, 3)).shape == (*pixels.shape[:2], 3)
            decoded += 1
    print(decoded)


@pytest.mark.slow
def test_no_bytes_can_break_decoding(tmp_path: Path):
    progress = tmp_path / "progress"
    paths = os.pathsep.join(str(ROOT / folder) for folder in ("stages", "tests", "tests/images"))
    result = subprocess.run(
        [sys.executable, __file__, progress],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, f"mutant {progress.read_text()}: {result.returncode}\n{result.stderr}"
    assert 0.1 * MUTANTS < int(result.stdout) < 0.9 * MUTANTS
    assert result.stderr == ""


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


if __name__ == "__main__":
    decode_mutants(Path(sys.argv[1]))
