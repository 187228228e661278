"""Training on several devices, of one machine or of many: each computes its part of every batch.

Keras does this on its JAX backend (`keras.distribution`). Every process runs the whole program on the same images, and
after each step all have the same weights; the first process alone writes files. Noise is drawn for the whole batch at
once, so it depends on an image's place in the batch and not on the device.
"""

import atexit
import ctypes
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput

LOST = "another process of this training has ended or is out of reach; start all again to go on from the last epoch"
EXPECTED = (
    "it takes KERAS_DISTRIBUTION_JOB_ADDRESSES (HOST:PORT of process 0), KERAS_DISTRIBUTION_NUM_PROCESSES and "
    "KERAS_DISTRIBUTION_PROCESS_ID, or a start by srun or mpirun"
)


@contextmanager
def shared_by(devices: str) -> Iterator[bool]:
    """Let models that are built and trained in this block use several devices.

    Args:
        devices: `one`; `all` that this machine has; or `cluster`, those of all processes, which find each other by the
            environment, see `keras.distribution.initialize` and `jax.distributed.initialize`.

    Returns:
        Whether this is the first process, which goes on alone after the block.

    Raises:
        BadInput: not on the JAX backend, an environment that does not say where the processes are, or a process lost.
    """
    if devices == "one":
        yield True
        return
    if keras.config.backend() != "jax":
        raise BadInput(f"--devices {devices}: {keras.config.backend()} trains on one device; set KERAS_BACKEND=jax")
    import jax

    if devices == "cluster":
        _meet()
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))
    try:
        yield is_first()
    except Exception as error:  # of a type that depends on the network
        if devices == "cluster" and re.search("gloo|nccl|coordination", str(error), re.IGNORECASE):
            raise BadInput(LOST) from error
        raise
    finally:
        keras.distribution.set_distribution(None)
    jax.distributed.shutdown()


@contextmanager
def alone() -> Iterator[None]:
    """Let models that are built in this block compute in this process, on one device."""
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(distribution)


def _meet() -> None:
    address = os.environ.get("KERAS_DISTRIBUTION_JOB_ADDRESSES", "HOST:0")
    if not re.fullmatch(r"[^,]+:\d+(,.*)?", address):
        raise BadInput(f"--devices cluster: KERAS_DISTRIBUTION_JOB_ADDRESSES={address}; {EXPECTED}")
    atexit.register(_leave)
    ctypes.CDLL(None).signal(signal.SIGABRT, _report_loss)  # how JAX ends a process that has lost another one
    try:
        keras.distribution.initialize()
    except (ValueError, TypeError, LookupError, RuntimeError) as error:
        raise BadInput(f"--devices cluster: {error}; {EXPECTED}") from error
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # JAX lets it pass


@ctypes.CFUNCTYPE(None, ctypes.c_int)
def _report_loss(number: int) -> None:
    os.write(2, f"train: error: {LOST}\n".encode())
    os._exit(2)


def _leave() -> None:
    """End a process that has failed, without JAX's shutdown, which would wait for minutes."""
    import jax

    if jax.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(2)


def _several() -> bool:
    if keras.distribution.distribution() is None:
        return False
    import jax

    return jax.process_count() > 1


def is_first() -> bool:
    """Whether this process writes files and shows progress: the only one, or the first of several."""
    if not _several():
        return True
    import jax

    return jax.process_index() == 0


def say(line: str) -> None:
    """Print a line on stderr, once and not by each process."""
    if is_first():
        print(line, file=sys.stderr)


def from_first(content: bytes) -> bytes:
    """What the first process has been given, in all of them."""
    if not _several():
        return content
    from jax.experimental.multihost_utils import broadcast_one_to_all

    size = int(broadcast_one_to_all(np.uint32(len(content))))
    return broadcast_one_to_all(np.frombuffer(content.ljust(size)[:size], np.uint8)).tobytes()


def check_agreement(key: str) -> None:
    """Raise BadInput where processes have other images, parameters or code than the first one: another key."""
    if not _several():
        return
    import jax
    from jax.experimental.multihost_utils import process_allgather

    keys: Any = process_allgather(np.frombuffer(key.encode(), np.uint8))
    others = np.flatnonzero((keys != keys[0]).any(axis=1))
    if len(others):
        jax.distributed.shutdown()  # together, so that none takes another's end for a loss
        raise BadInput(f"process {others[0]} has other images, parameters, code or libraries than process 0")


def own_part(rows: NDArray, distribution: Any) -> tuple[NDArray, ...]:
    """The rows of a batch that fall to this process, and which of them count, see `part`.

    Args:
        distribution: over devices, or None for one device, to which all rows fall, and where all count.
    """
    if distribution is None:
        return (rows,)
    import jax

    return part(rows, distribution.device_mesh.devices.size, jax.process_count(), jax.process_index())


def part(rows: NDArray, devices: int, processes: int, process: int) -> tuple[NDArray, NDArray[np.float32]]:
    """One of as many equal parts of a batch as there are processes, and which of its rows count, 1 or 0.

    Nothing is left out: a batch that can't be divided evenly among the devices is filled up with rows that don't count.
    """
    filled = np.concatenate([rows, rows[:1].repeat(-len(rows) % devices)])
    counted = (np.arange(len(filled)) < len(rows)).astype(np.float32)
    return np.split(filled, processes)[process], np.split(counted, processes)[process]
