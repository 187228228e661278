"""Images of compressed tars, of which no member can be reached alone: unpacked into one temporary file."""

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from imagevae.cli.errors import BadInput
from imagevae.images.listing import check_bytes

MAX_UNPACKED = 2**36  # bytes of images of all compressed tars together, which go to a temporary file


def read_member(read: Callable[[int, int], bytes], name: str, start: int, size: int) -> bytes:
    check_bytes(size)
    data = read(start, size)
    if len(data) != size:
        raise BadInput("damaged in its archive")
    return data


class Unpacked:
    """Images of compressed tars in one temporary file, which is gone when this process is."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile()  # noqa: SIM115, it is read later
        self.size = 0

    def add(self, stream: BinaryIO, archive: Path) -> int:
        """Append all of a stream, and return where it starts.

        Raises:
            BadInput: there is no room.
        """
        start = self.size
        try:
            while block := stream.read(2**20):
                self.size += len(block)
                if self.size > MAX_UNPACKED:
                    raise BadInput(
                        f"{archive}: its images take more than {MAX_UNPACKED} bytes; unpack it into a folder"
                    )
                while block:  # past Python's buffer, in which forked processes would write twice
                    block = block[os.write(self.file.fileno(), block) :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            reason = f"{error.strerror} in {tempfile.gettempdir()}"
            raise BadInput(f"{archive}: no room for its images ({reason}); set TMPDIR, or unpack it") from None
        return start

    def read(self, name: str, start: int, size: int) -> bytes:
        return read_member(self._read, name, start, size)

    def _read(self, start: int, size: int) -> bytes:
        return os.pread(self.file.fileno(), size, start)  # threads and processes share the file's position
