"""Working on images in processes of their own: where a library crashes, that costs the one image that it was at."""

import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from queue import LifoQueue
from typing import Any, Generic, TypeVar

from imagevae.images.complaints import listen_anew

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 16  # results of a worker that are kept until it is their turn


class Crash(Exception):
    """A process has ended at its work, by the signal named."""


class _Worker(Generic[T, R]):
    """A process that does one piece of work after another.

    Args:
        work: from what is sent to it to what it sends back.
        method: how it begins: "fork", in a process without threads, or "spawn", which takes half a second.
    """

    def __init__(self, work: Callable[[T], R], method: str):
        context: Any = get_context(method)
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, work), daemon=True)
        self.process.start()
        other.close()

    def begin(self, what: T) -> None:
        with suppress(BrokenPipeError):  # its end is told by what it sends back
            self.pipe.send(what)

    def result(self) -> R | Exception:
        """What came of it, the exception that it raised, or a `Crash`."""
        try:
            return self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            code = self.process.exitcode or 0
            return Crash(signal.Signals(-code).name if code < 0 else f"exit status {code}")

    def end(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.join()


def _serve(pipe: Connection, work: Callable[[T], R]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    listen_anew()
    while True:
        try:
            what = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(work(what))
        except Exception as error:
            pipe.send(error)


class Apart(Generic[T, R]):
    """A function whose work is done in other processes, for several threads at a time.

    A process begins when it is needed, and ends with this one.

    Args:
        work: a function of a module, which takes and gives what can be pickled.
        workers: how many processes there are at most.
    """

    def __init__(self, work: Callable[[T], R], workers: int):
        self._work = work
        self._idle: LifoQueue[_Worker[T, R] | None] = LifoQueue()  # None for one that has not begun
        for _ in range(workers):
            self._idle.put(None)

    def __call__(self, what: T) -> R:
        """What the work gives.

        Raises:
            Crash: the process has ended at it.
            Exception: what the work raises.
        """
        worker, kept = self._idle.get(), None
        try:
            worker = worker or _Worker(self._work, "spawn")
            worker.begin(what)
            found = worker.result()
            if not isinstance(found, Crash):
                kept = worker
        finally:
            if worker and not kept:
                worker.end()
            self._idle.put(kept)
        if isinstance(found, Exception):
            raise found
        return found


def each_apart(
    work: Callable[[T], R], items: Sequence[T], instead: Callable[[T, str], R], workers: int
) -> Generator[R, None, None]:
    """Results of `work` in the order of the items, each made in a process that may crash.

    Args:
        instead: gives the result of an item at which a process has ended by the signal named.
        workers: how many processes there are at a time. This process must have no threads.
    """

    def begun() -> _Worker[int, R]:
        return _Worker(lambda number: work(items[number]), "fork")

    pool = [begun() for _ in range(min(workers, len(items)))]
    try:
        yield from _in_order(pool, begun, items, instead)
    finally:
        for worker in pool:
            worker.end()


def _in_order(
    pool: list[_Worker[int, R]],
    begun: Callable[[], _Worker[int, R]],
    items: Sequence[T],
    instead: Callable[[T, str], R],
) -> Iterator[R]:
    done: dict[int, R] = {}
    at: dict[_Worker[int, R], int] = {}  # the items that workers are at
    next_, given, idle = 0, 0, list(pool)
    while given < len(items):
        while idle and next_ < min(len(items), given + AHEAD * len(pool)):
            worker = idle.pop()
            worker.begin(next_)
            at[worker] = next_
            next_ += 1
        for pipe in wait([worker.pipe for worker in at]):
            worker = next(one for one in at if one.pipe is pipe)
            number, result = at.pop(worker), worker.result()
            if isinstance(result, Crash):
                result = instead(items[number], str(result))
                pool[pool.index(worker)] = worker = begun()
            elif isinstance(result, Exception):
                raise result
            done[number] = result
            idle.append(worker)
        while given in done:
            yield done.pop(given)
            given += 1
