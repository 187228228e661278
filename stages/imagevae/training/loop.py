"""Fitting a model epoch by epoch, so that it can be cut off at any moment and go on."""

import json
import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput
from imagevae.training.callbacks import Logs
from imagevae.training.checkpoint import Checkpoint, restore, state_of
from imagevae.training.devices import say

STEPS_AT_ONCE = 5  # before Python is asked again, which takes about a tenth of a small step


def fit(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    batches: Any,
    held_out: keras.utils.PyDataset,
    epochs: int,
    best: "Best",
    callbacks: list[keras.callbacks.Callback],
) -> None:
    """Train a model in place from its last checkpoint on, if there is one, and give it the best weights.

    Args:
        batches: a PyDataset whose order of an epoch depends on its attribute `epoch` alone.
        callbacks: they see all epochs, those before the checkpoint too, whose logs are replayed to their
            `on_epoch_end`.
    """
    compiled = keras.config.backend() == "jax"  # XLA makes TensorFlow slower on a CPU
    model.compile(optimizer=optimizer, jit_compile=compiled, steps_per_execution=STEPS_AT_ONCE)
    done = best.restore(model)
    ended = bool(done) and best.enough(done[-1])
    for callback in callbacks:
        callback.set_model(model)
        for epoch, logs in enumerate(done):
            callback.on_epoch_end(epoch, logs)
    batches.start(len(done))
    if len(done) < epochs and not ended:
        model.fit(
            batches,
            epochs=epochs,
            initial_epoch=len(done),
            validation_data=held_out,
            callbacks=[best, *callbacks],
            shuffle=False,
            verbose=0,
        )
    best.apply(model)


@contextmanager
def averaged(model: keras.Model) -> Iterator[None]:
    """Lets a model have the moving averages of its weights for a while, if its optimizer keeps them."""
    if not model.optimizer.use_ema:
        yield
        return
    weights = _copies(model)
    model.optimizer.finalize_variable_values(model.trainable_variables)
    model.set_weights(_copies(model))  # under JAX they are the optimizer's own, and predictions delete what they get
    try:
        yield
    finally:
        model.set_weights(weights)


def _copies(model: keras.Model) -> list[NDArray]:
    return [weight.copy() for weight in model.get_weights()]


class Best(keras.callbacks.Callback):
    """Keeps the weights of the best epoch, saves a checkpoint after each one, and ends a training that diverges.

    Where the optimizer keeps moving averages of the weights, those are kept.

    Args:
        score: of an epoch's logs; the lowest is best.
        checkpoint: holds the state after the last epoch, the best weights, and the logs and pictures of all epochs.
        picture: makes a picture, uint8 (height, width, 3), of the model as it is.
        pictured: the epochs after which it does.

    Attributes:
        pictures: by epoch.
    """

    def __init__(
        self,
        score: Callable[[Logs], float],
        checkpoint: Checkpoint,
        picture: Callable[[], NDArray[np.uint8]] | None = None,
        pictured: Collection[int] = (),
    ):
        super().__init__()
        self.score, self.checkpoint, self.picture, self.pictured = score, checkpoint, picture, pictured
        self.pictures: dict[int, NDArray[np.uint8]] = {}
        self.history: list[Logs] = []
        self.weights: list[np.ndarray] = []
        self.epoch = 0

    def restore(self, model: keras.Model) -> list[Logs]:
        """Bring a compiled model to the state of the checkpoint, and give the logs of the epochs up to there."""
        state = self.checkpoint.load()
        if state is None:
            return []
        restore(model, {name[6:]: value for name, value in state.items() if name.startswith("state.")})
        self.weights = [state[f"best.{number}"] for number in range(sum(name.startswith("best.") for name in state))]
        self.pictures |= {int(name[8:]): value for name, value in state.items() if name.startswith("picture.")}
        self.epoch, self.history = int(state["epoch"]), json.loads(str(state["history"]))
        say(f"{model.name}: goes on after epoch {len(self.history)}")
        return self.history

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {} if logs is None else logs  # what is added, the callbacks after this one see
        if not all(math.isfinite(value) for value in logs.values()):
            self._stop(epoch)
            return
        with averaged(self.model):
            logs |= self.examine()
            if not self.history or self.better(logs):
                self.weights, self.epoch = self.model.get_weights(), epoch
        self.history.append(dict(logs))
        if self.picture and epoch in self.pictured:
            self.pictures[epoch] = self.picture()
        self.checkpoint.save(
            {
                **{f"state.{name}": value for name, value in state_of(self.model).items()},
                **{f"best.{number}": value for number, value in enumerate(self.weights)},
                **{f"picture.{epoch}": value for epoch, value in self.pictures.items()},
                "epoch": np.array(self.epoch),
                "history": np.array(json.dumps(self.history)),
            }
        )
        self.model.stop_training |= self.enough(logs)

    def examine(self) -> Logs:
        """More entries for an epoch's logs; the model has the weights that may be kept."""
        return {}

    def better(self, logs: Logs) -> bool:
        """Whether the weights after an epoch are to be kept, instead of those that are."""
        return self.score(logs) < self.score(self.history[self.epoch])

    def enough(self, logs: Logs) -> bool:
        """Whether training ends after an epoch."""
        return False

    def _stop(self, epoch: int) -> None:
        what = f"{self.model.name}: the loss is not finite in epoch {epoch + 1}"
        if not self.weights:
            raise BadInput(f"{what}: a lower learning_rate may help")
        say(f"warning: {what}; training ends; {self._kept()}")
        self.model.stop_training = True

    def _kept(self) -> str:
        return f"kept are the weights of epoch {self.epoch + 1}, the best so far; a lower learning_rate may help"

    def apply(self, model: keras.Model) -> None:
        """Give the model the best weights, and warn of a loss that has risen again, not by overfitting."""
        model.set_weights(self.weights)
        losses = [self.score({f"val_{name}": value for name, value in logs.items()}) for logs in self.history]
        if losses[-1] - losses[self.epoch] > 0.1 * (losses[0] - losses[self.epoch]):
            say(f"warning: {model.name}: the loss on training images rose again; {self._kept()}")
