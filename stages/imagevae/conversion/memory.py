"""Memory for images: budgets that all threads share, room for results that wait, and a lack of it in the system."""

import mmap
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

import numpy as np

from imagevae.cli.errors import BadInput


class Budget:
    """So many bytes for all threads: who needs more than are left waits for others to end."""

    def __init__(self, size: int):
        self.size = size
        self._taken, self._turn = 0, Condition()

    @contextmanager
    def taking(self, count: int) -> Iterator[None]:
        """Have some bytes for the time of the block; all of them where `count` is more."""
        count = min(count, self.size)
        with self._turn:
            self._turn.wait_for(lambda: self._taken + count <= self.size)
            self._taken += count
        try:
            yield
        finally:
            with self._turn:
                self._taken -= count
                self._turn.notify_all()


BUDGET = Budget(2**30 + 2**29)  # of images in work; with what the program itself takes, 2 GB are enough
FILES = Budget(2**27)  # of the files that these come from; a larger one is read and converted with no other beside it


def set_aside(content: bytes | mmap.mmap) -> mmap.mmap:
    """A result in a temporary file without a name, as good as in memory, until it is written.

    Raises:
        BadInput: there is no room for it.
    """
    try:
        with tempfile.TemporaryFile() as file:
            file.write(content)
            file.flush()
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise BadInput(f"no room for results ({error.strerror} in {tempfile.gettempdir()}); set TMPDIR") from None


def is_limited() -> bool:
    """Whether this process may have less memory than the machine (`ulimit -v`), so that libraries see an end of it."""
    limits = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    return any(resource.getrlimit(limit)[0] != resource.RLIM_INFINITY for limit in limits)


def check_room(count: int) -> None:
    """Raise MemoryError where so many bytes can't be had."""
    np.empty(count, np.uint8)
