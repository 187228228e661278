"""What C libraries write to stderr about damaged images: kept from the terminal, and known by image.

OpenCV gives what libjpeg could make of a damaged scan, and that it was damaged shows on stderr alone. All threads share
it, so where something was written while an image was decoded, the image is decoded again with no other beside it.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Lock
from typing import IO, TypeVar

T = TypeVar("T")


class _Stderr:
    """File descriptor 2, which goes to a file without a name while anybody listens; Python's own stderr goes on."""

    def __init__(self) -> None:
        self.file: IO[bytes] | None = None
        self._listeners, self._lock = 0, Lock()
        self._readers, self._turn = 0, Condition()

    @contextmanager
    def listened_to(self) -> Iterator[IO[bytes]]:
        with self._lock:
            self._listeners += 1
            if self._listeners == 1:
                self._redirect()
        try:
            assert self.file
            yield self.file
        finally:
            with self._lock:
                self._listeners -= 1
                if not self._listeners:
                    self._restore()

    def start(self) -> None:
        """Listen until the end of the process."""
        self._listeners += 1
        self._redirect()

    def _redirect(self) -> None:
        sys.stderr.flush()
        self.file = tempfile.TemporaryFile("a+b", buffering=0)  # noqa: SIM115, appended to, whoever writes
        self._python = sys.stderr
        sys.stderr = open(  # noqa: SIM115, it is closed when all is over
            os.dup(2), "w", buffering=1, encoding=self._python.encoding, errors="backslashreplace"
        )
        os.dup2(self.file.fileno(), 2)

    def _restore(self) -> None:
        assert self.file
        os.dup2(sys.stderr.fileno(), 2)
        sys.stderr.close()
        sys.stderr = self._python
        self.file.close()
        self.file = None

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        with self._turn:
            self._readers += 1
        try:
            yield
        finally:
            with self._turn:
                self._readers -= 1
                self._turn.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._turn:
            self._turn.wait_for(lambda: not self._readers)
            yield


_STDERR = _Stderr()


def listen_anew() -> None:
    """In a process that was forked while stderr was listened to: listen apart from the others, until the end."""
    global _STDERR
    _STDERR = _Stderr()
    _STDERR.start()


@contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keep back what libraries write to stderr about damaged images; Python's stderr goes on."""
    with _STDERR.listened_to():
        yield


def with_complaints(decode: Callable[[], T]) -> tuple[T, str]:
    """What a function gives, and what libraries wrote to stderr meanwhile because of it.

    The function may be called twice. Within `quiet_decoders` this costs next to nothing where nothing is written.
    """
    with _STDERR.listened_to() as file:
        with _STDERR.beside_others():
            before = os.fstat(file.fileno()).st_size
            result = decode()
            after = os.fstat(file.fileno()).st_size
        if before == after:
            return result, ""
        with _STDERR.alone():
            before = os.fstat(file.fileno()).st_size
            result = decode()
            file.seek(before)
            return result, file.read().decode(errors="replace")
