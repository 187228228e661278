"""What happens beside a training: the KL weight warms up, curves grow, a progress bar moves."""

import keras
import numpy as np
from dvclive import Live
from numpy.typing import NDArray
from tqdm import tqdm

Logs = dict[str, float]


class WarmUp(keras.callbacks.Callback):
    """Lets the KL weight rise linearly over the first epochs (Bowman et al. 2016, section 3.1)."""

    def __init__(self, epochs: int):
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        share = min(1.0, (epoch + 1) / (self.epochs + 1))
        self.model.kl_weight.assign(share * self.model.settings["kl_weight"])


class Curves(keras.callbacks.Callback):
    """Writes each epoch's losses, of training and of held-out images apart, and pictures.

    Args:
        pictures: by epoch, as they come.
    """

    def __init__(self, live: Live, pictures: dict[int, NDArray[np.uint8]]):
        super().__init__()
        self.live, self.pictures = live, pictures

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.model.stop_training:
            return  # a loss that is not finite is no part of the curves
        for name, value in (logs or {}).items():
            if name == "val_decoder_scale":
                continue  # it is the model's, not of the images
            kind, term = ("held_out/", name[4:]) if name.startswith("val_") else ("train/", name)
            self.live.log_metric(f"{'' if term == 'decoder_scale' else kind}{term}", float(f"{value:.6g}"))
        if epoch in self.pictures:
            self.live.log_image(f"learning/{epoch + 1}.png", self.pictures[epoch])
        self.live.next_step()


class Progress(keras.callbacks.Callback):
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self, name: str, epochs: int, images: int, batch_size: int):
        super().__init__()
        self.images, self.batch_size, self.start = images, batch_size, 0
        self.bar = tqdm(total=epochs * images, desc=name, unit="image", disable=None)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self.bar.update(self.start + min(self.images, (batch + 1) * self.batch_size) - self.bar.n)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        held_out = {name[4:]: f"{value:.5g}" for name, value in (logs or {}).items() if name.startswith("val_")}
        self.start = self.bar.n = (epoch + 1) * self.images
        self.bar.set_postfix({"epoch": epoch + 1, **held_out})

    def on_train_end(self, logs: Logs | None = None) -> None:
        self.bar.close()
