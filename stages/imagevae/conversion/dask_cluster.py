"""Work on several machines that share a file system: a Dask cluster, by Dask's own futures."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from hashlib import md5
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from imagevae.cli.errors import BadInput
from imagevae.conversion.shard import LIBRARIES, Shard, ShardWork, write_shard

IMAGEVAE = Path(__file__).parents[1]
WINGS = ("cli", "images", "conversion")  # that workers load
PATIENCE = 10  # seconds to wait for a scheduler or a worker to appear


class Work(Protocol):
    """A dataclass that says which file to write."""

    @property
    def file(self) -> Path: ...


W = TypeVar("W", bound=Work)
R = TypeVar("R")


def on_cluster(address: str, make: Callable[[W], R], works: list[W]) -> Iterator[tuple[W, R]]:
    """Do each work on some worker, and give the results as they come, each with its work.

    What is done twice because a worker died, or seemed to, does no harm: each attempt writes a file of its own, and the
    one whose result arrives is moved to the file of the work.

    Args:
        address: of the scheduler, tcp://HOST:8786 say.
        make: writes the file that a work names, an absolute path that workers can write as well.

    Raises:
        BadInput: no `distributed`, no scheduler, no worker, or one that lacks a library; or what `make` raises.
    """
    if not works:
        return
    folder = works[0].file.parent
    attempts = folder.with_name(f"{folder.name}.attempts.partial")
    shutil.rmtree(attempts, ignore_errors=True)  # of a run that was killed
    attempts.mkdir()
    try:
        client = connect(address)
        try:
            yield from _results(client, make, works, attempts)
        finally:
            client.close()
    finally:
        shutil.rmtree(attempts, ignore_errors=True)  # where a worker that seemed to be dead may still write


def connect(address: str) -> Any:
    """A client of the scheduler at an address, with at least one worker.

    Raises:
        BadInput: no `distributed`, no scheduler that answers, or no worker.
    """
    try:
        from distributed import Client
    except ImportError:
        raise BadInput("--scheduler needs Dask, which is not installed: pip install -r requirements-dask.txt") from None
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise BadInput(f"--scheduler {address}: no Dask scheduler answers there ({error})") from None
    try:
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError:
        client.close()
        raise BadInput(f"--scheduler {address}: has no worker; start one with: dask worker {address}") from None
    return client


def _results(client: Any, make: Callable[[W], R], works: list[W], attempts: Path) -> Iterator[tuple[W, R]]:
    from distributed import wait

    address = client.scheduler.address
    begin, stages = _starter(), str(IMAGEVAE.parent)
    tasks = {
        client.submit(begin, stages, _pickled(partial(_attempt, make, work, attempts)), pure=False): work
        for work in works
    }
    while tasks:
        try:
            done = wait(list(tasks), timeout=PATIENCE, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            if client.status != "running" or not client.scheduler_info()["workers"]:
                raise BadInput(f"--scheduler {address}: its last worker is gone; start another one") from None
            continue
        for task in done:
            work = tasks.pop(task)
            file, result = _result(task, address)
            file.replace(work.file)
            yield work, result


def _pickled(call: Callable[[], Any]) -> bytes:
    from cloudpickle import dumps

    try:
        return dumps(call)
    except TypeError as error:  # for files that this process alone has opened
        raise BadInput(
            f"--scheduler: unpack zips and compressed tars before, workers can't open them ({error})"
        ) from None


def _starter() -> Callable[[str, bytes], Any]:
    """What a worker runs first. Dask sends a function inside a function by its code, so that neither workers nor the
    scheduler, which looks into tasks but not into bytes, need to find this module before."""

    def start(stages: str, pickled: bytes) -> Any:
        import sys

        if stages not in sys.path:
            sys.path.insert(0, stages)
        from cloudpickle import loads

        return loads(pickled)()

    return start


def _result(task: Any, address: str) -> Any:
    from concurrent.futures import CancelledError

    from distributed import KilledWorker

    try:
        return task.result()
    except KilledWorker as error:
        raise BadInput(
            f"--scheduler {address}: workers died, one after another, over the same shard ({error})"
        ) from None
    except CancelledError:
        raise BadInput(f"--scheduler {address}: the scheduler is gone; start it and run the stage again") from None
    except ImportError as error:
        hint = "workers need the same files under the same paths, and requirements.txt installed"
        raise BadInput(f"--scheduler {address}: a worker could not begin ({error}): {hint}") from None


def _attempt(make: Callable[[W], R], work: W, attempts: Path) -> tuple[Path, R]:
    """On a worker: do a work into a file that no other attempt writes."""
    file = attempts / uuid4().hex / work.file.name
    file.parent.mkdir()
    return file, make(replace(work, file=file))  # type: ignore[type-var]


@cache
def loaded() -> tuple[str, ...]:
    """Libraries and code as they were when this was first asked: workers of a cluster live long, and load them once."""
    files = [file for wing in WINGS for file in (IMAGEVAE / wing).glob("*.py")]
    return *LIBRARIES, *sorted(md5(file.read_bytes()).hexdigest() for file in files)


def write_same_shard(expected: tuple[str, ...], work: ShardWork) -> Shard:
    """On a worker: make a shard, if by the same code and libraries.

    Raises:
        BadInput: they are not the same.
    """
    if expected != loaded():
        names = f"OpenCV {LIBRARIES[0]}, Pillow {LIBRARIES[1]}, NumPy {LIBRARIES[2]}"
        raise BadInput(f"--scheduler: a worker has loaded other code than this process, or other libraries ({names})")
    return write_shard(work)
