"""Fitting a VAE, with its curves."""

import math
from pathlib import Path

import keras
from dvclive import Live
from scmrepo.exceptions import SCMError
from tqdm import tqdm

from imagevae.batches import Batches
from imagevae.dataset import Images
from imagevae.errors import BadInput
from imagevae.vae import VAE


def fit(
    model: VAE,
    training: Images,
    held_out: Images,
    curves: Path,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    kl_warmup: int,
    seed: int,
) -> None:
    """Train a model in place, with Adam and a learning rate that falls to 0 along a cosine.

    Args:
        curves: folder for the losses of each epoch, in DVCLive's format.
        kl_warmup: epochs over which the KL weight rises linearly to the model's.

    Raises:
        BadInput: the loss stopped being a finite number, or the git repository has no commit yet.
    """
    batches = Batches(training, batch_size, seed)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * len(batches))
    compiled = keras.config.backend() == "jax"  # XLA makes TensorFlow slower on a CPU
    model.compile(optimizer=keras.optimizers.Adam(schedule), jit_compile=compiled)
    try:
        live = Live(str(curves), dvcyaml=None, save_dvc_exp=False)
    except SCMError as error:
        raise BadInput(f"DVCLive wants a git repository with a commit, or none at all: {error}") from error
    with live:
        model.fit(
            batches,
            epochs=epochs,
            validation_data=Batches(held_out, batch_size),
            callbacks=[FiniteLoss(), WarmUp(kl_warmup), Curves(live), Progress(epochs, len(batches))],
            verbose=0,
        )


class FiniteLoss(keras.callbacks.Callback):
    """Ends a training that has gone astray."""

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if not all(math.isfinite(value) for value in (logs or {}).values()):
            raise BadInput(f"the loss is not finite in epoch {epoch + 1}: a lower learning_rate may help")


class WarmUp(keras.callbacks.Callback):
    """Lets the KL weight rise linearly over the first epochs (Bowman et al. 2016, section 3.1)."""

    def __init__(self, epochs: int):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        share = min(1.0, (epoch + 1) / (self.epochs + 1))
        self.model.kl_weight.assign(share * self.model.settings["kl_weight"])


class Curves(keras.callbacks.Callback):
    """Writes each epoch's losses, of training and of held-out images apart."""

    def __init__(self, live: Live):
        super().__init__()
        self.live = live

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        for name, value in (logs or {}).items():
            kind, term = ("held_out", name[4:]) if name.startswith("val_") else ("train", name)
            self.live.log_metric(f"{kind}/{term}", float(f"{value:.6g}"))
        self.live.log_metric("decoder_scale", float(f"{255 * float(self.model.variance) ** 0.5:.6g}"))
        self.live.next_step()


class Progress(keras.callbacks.Callback):
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self, epochs: int, steps: int):
        super().__init__()
        self.bar = tqdm(total=epochs * steps, desc="train", unit="step", disable=None)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.bar.update()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        held_out = {name[4:]: f"{value:.1f}" for name, value in (logs or {}).items() if name.startswith("val_")}
        self.bar.set_postfix({"epoch": epoch + 1, **held_out})

    def on_train_end(self, logs: dict | None = None) -> None:
        self.bar.close()
