"""Fitting epoch by epoch: the best weights are kept, a training that diverges ends, one that was cut off goes on."""

from pathlib import Path

import keras
import numpy as np
import pytest

from imagevae.cli.errors import BadInput
from imagevae.training.callbacks import Logs
from imagevae.training.checkpoint import Checkpoint
from imagevae.training.loop import Best, averaged, fit


class Slope(keras.Model):
    """A number that goes up by 1 in each step of plain descent; its loss is how far it is from `aim`, and none from
    `broken` on."""

    def __init__(self, aim: float, broken: float = 1000):
        super().__init__(name="slope")
        self.aim, self.broken = aim, broken
        self.number = self.add_weight(shape=(), initializer="zeros", name="number")
        self.distance = keras.metrics.Mean(name="loss")
        self.built = True

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        return [self.distance]

    def call(self, x, training: bool = False):
        return self.number * keras.ops.ones_like(x)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The gradient is -1 always; what is reported is the distance."""
        distance = keras.ops.abs(self.number - self.aim)
        self.distance.update_state(keras.ops.where(self.number < self.broken, distance, np.nan))
        return -self.number


class Rows(keras.utils.PyDataset):
    """One batch an epoch."""

    def start(self, epoch: int) -> None:
        pass

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> tuple[np.ndarray]:
        return (np.ones((2, 1), np.float32),)


class Seen(keras.callbacks.Callback):
    """What epochs a callback is told of."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[int] = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epochs.append(epoch)


def fitted(folder: Path, aim: float, broken: float = 1000, stop: int = 1000) -> tuple[Slope, Seen]:
    """A model fitted for six epochs, of which the one with the lowest loss is kept; stopped in one of them."""

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
            if epoch == stop:
                raise KeyboardInterrupt

    model, seen = Slope(aim, broken), Seen()
    best = Best(lambda logs: logs["val_loss"], Checkpoint(folder / "slope.npz", "key"))
    optimizer = keras.optimizers.SGD(1.0)
    fit(model, optimizer, Rows(), Rows(), 6, best, [seen, Stop()])
    return model, seen


@pytest.mark.parametrize(("aim", "kept"), [(100, 6), (3, 3), (0, 1)])
def test_the_weights_of_the_best_epoch_are_kept(aim: int, kept: int, tmp_path: Path):
    model, seen = fitted(tmp_path, aim)
    assert float(model.number) == kept
    assert seen.epochs == list(range(6))


def test_a_loss_that_rises_again_on_training_images_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture):
    fitted(tmp_path / "rises", 3)
    said = capsys.readouterr().err
    assert "warning: slope: the loss on training images rose again; kept are the weights of epoch 3" in said
    fitted(tmp_path / "falls", 100)
    assert capsys.readouterr().err == ""


def test_a_loss_that_is_not_finite_from_the_start_is_refused(tmp_path: Path):
    with pytest.raises(BadInput, match="slope: the loss is not finite in epoch 1: a lower learning_rate may help"):
        fitted(tmp_path, 100, broken=0)
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_becomes_infinite_later_ends_the_training_with_the_best_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture
):
    model, _ = fitted(tmp_path, 2, broken=4)
    said = capsys.readouterr().err
    assert "warning: slope: the loss is not finite in epoch 4; training ends; kept are the weights of epoch 2" in said
    assert float(model.number) == 2


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_training_that_was_cut_off_goes_on_and_callbacks_see_all_epochs(
    stop: int, tmp_path: Path, capsys: pytest.CaptureFixture
):
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path, 3, stop=stop)
    model, seen = fitted(tmp_path, 3)
    assert f"slope: goes on after epoch {stop}\n" in capsys.readouterr().err
    assert float(model.number) == 3
    assert seen.epochs == list(range(6))


def test_a_training_that_has_ended_is_not_done_again(tmp_path: Path):
    fitted(tmp_path, 3)
    model, seen = fitted(tmp_path, 3, broken=0)
    assert float(model.number) == 3
    assert seen.epochs == list(range(6))


def test_a_model_has_the_averages_of_its_weights_for_a_while():
    model, batch = Slope(0), np.ones((2, 1), np.float32)
    model.compile(keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5), jit_compile=False)
    for _ in range(2):
        model.train_on_batch(batch)
    with averaged(model):
        assert 0 < float(model.number) < 2
    assert float(model.number) == 2
    model.compile(keras.optimizers.SGD(1.0), jit_compile=False)
    with averaged(model):
        assert float(model.number) == 2
