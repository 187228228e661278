"""The state of a training on the disk, from which it goes on after it was cut off as if nothing had happened."""

import io
import json
from collections.abc import Iterable
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from imagevae.cli.loaded_code import code_digest
from imagevae.cli.output import write_file
from imagevae.training.devices import from_first, is_first, say


class Checkpoint:
    """The arrays of a training after an epoch, in one file that is replaced in one atomic step.

    Of several processes the first alone reads and writes it; the others go on from what it has read.

    Args:
        file: where the state is kept.
        key: of the training, see `training_key`; a file of another key is as good as none.
    """

    def __init__(self, file: Path, key: str):
        self.file, self.key = file, key

    def load(self) -> dict[str, NDArray] | None:
        """What `save` was given last, or None where there is no such file, or that of another training."""
        stored = from_first(self.file.read_bytes() if is_first() and self.file.is_file() else b"")
        if not stored:
            return None
        try:
            with np.load(io.BytesIO(stored), allow_pickle=False) as content:
                state = dict(content)
        except MemoryError:
            raise
        except Exception as error:  # NumPy, zipfile and zlib raise a wide choice of them for damaged files
            say(f"{self.file}: damaged ({error}); training starts from the first epoch")
            return None
        return state if str(state.pop("key", "")) == self.key else None

    def save(self, state: dict[str, NDArray]) -> None:
        """Replace the file.

        Raises:
            OSError: it can't be written, or the disk is full; the last state is still there then.
        """
        if not is_first():
            return
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, key=np.array(self.key), **state)
        write_file(self.file, content.getvalue())


def training_key(parameters: Any, data: Iterable[NDArray]) -> str:
    """Digest of all that decides how a training goes: parameters, data, code, libraries and backend."""
    digest = blake2b(digest_size=16)
    libraries = [version(name) for name in ("keras", "tensorflow" if keras.config.backend() == "tensorflow" else "jax")]
    facts = [parameters, code_digest(), libraries, keras.config.backend()]
    digest.update(json.dumps(facts, sort_keys=True, default=str).encode())
    for part in data:
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def state_of(model: keras.Model) -> dict[str, NDArray]:
    """All variables of a compiled model by number: weights, random states and those of its optimizer."""
    return {str(number): ops.convert_to_numpy(variable) for number, variable in enumerate(_variables(model))}


def restore(model: keras.Model, state: dict[str, NDArray]) -> None:
    """Give a model the variables that `state_of` took from one like it."""
    for number, variable in enumerate(_variables(model)):
        variable.assign(state[str(number)])


def _variables(model: keras.Model) -> list:
    model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]
