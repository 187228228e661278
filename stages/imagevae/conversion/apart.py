"""Converting images in processes of their own: where a library crashes, that costs the one image that it was at."""

import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from imagevae.images.complaints import listen_anew

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 16  # results of a worker that are kept until it is their turn


class _Worker:
    """A process that does one piece of work after another."""

    def __init__(self, work: Callable[[T], R], items: Sequence[T]):
        context = get_context("fork")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, work, items), daemon=True)
        self.process.start()
        other.close()
        self.number = -1  # of the item that it is at

    def begin(self, number: int) -> None:
        self.number = number
        self.pipe.send(number)

    def result(self) -> tuple[Any, str]:
        """What came of its item, and the signal that ended the process, or nothing."""
        try:
            result = self.pipe.recv()
        except EOFError:
            self.process.join()
            code = self.process.exitcode or 0
            return None, signal.Signals(-code).name if code < 0 else f"exit status {code}"
        if isinstance(result, BaseException):
            raise result
        return result, ""

    def end(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.join()


def _serve(pipe: Connection, work: Callable[[T], R], items: Sequence[T]) -> None:
    listen_anew()
    while True:
        try:
            number = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(work(items[number]))
        except Exception as error:  # which is raised where the results are taken
            pipe.send(error)


def each_apart(
    work: Callable[[T], R], items: Sequence[T], instead: Callable[[T, str], R], workers: int
) -> Generator[R, None, None]:
    """Results of `work` in the order of the items, each made in a process that may crash.

    Args:
        instead: gives the result of an item at which a process has ended by the signal named.
        workers: how many processes there are at a time. This process must have no threads.
    """
    pool = [_Worker(work, items) for _ in range(min(workers, len(items)))]
    try:
        yield from _in_order(pool, work, items, instead)
    finally:
        for worker in pool:
            worker.end()


def _in_order(
    pool: list[_Worker], work: Callable[[T], R], items: Sequence[T], instead: Callable[[T, str], R]
) -> Iterator[R]:
    done: dict[int, R] = {}
    begun, given, idle = 0, 0, list(pool)
    while given < len(items):
        while idle and begun < min(len(items), given + AHEAD * len(pool)):
            idle.pop().begin(begun)
            begun += 1
        for ready in wait([worker.pipe for worker in pool if worker not in idle]):
            worker = next(one for one in pool if one.pipe is ready)
            number = worker.number
            result, ended_by = worker.result()
            if ended_by:
                result = instead(items[number], ended_by)
                pool[pool.index(worker)] = worker = _Worker(work, items)
            done[number] = result
            idle.append(worker)
        while given in done:
            yield done.pop(given)
            given += 1
