"""Training the autoencoder: its optimizer, its curves, and pictures of what it has learned."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from dvclive import Live
from numpy.typing import NDArray
from scmrepo.exceptions import SCMError

from imagevae.cli.errors import BadInput
from imagevae.dataset.squares import Images
from imagevae.model.vae import VAE
from imagevae.training.batches import Batches
from imagevae.training.callbacks import Curves, Progress, WarmUp
from imagevae.training.checkpoint import Checkpoint
from imagevae.training.devices import alone, is_first
from imagevae.training.loop import Best, fit
from imagevae.training.optimizer import Muon, RiseAndFall
from imagevae.training.snapshot import snapshot

PICTURES = 10  # of the model as it learns, at equal distances, besides that after the first epoch


def fit_vae(
    model: VAE,
    training: Batches,
    held_out: Images,
    curves: Path,
    checkpoint: Checkpoint,
    epochs: int,
    learning_rate: float,
    kl_warmup: int,
    picture: Callable[[], NDArray[np.uint8]],
) -> None:
    """Train an autoencoder in place, with `Muon` at the learning rate of `RiseAndFall`.

    The weights that are kept are those of the epoch with the lowest loss on the held-out images, at the full KL weight:
    of the highest ELBO where that weight is 1 and that of textures 0.

    Args:
        curves: folder for the losses of each epoch, in DVCLive's format, and for pictures of what the model has learned
            after the first epoch and after each tenth of the training.
        checkpoint: where the state of each epoch is kept, and may be found.
        kl_warmup: epochs over which the KL weight rises linearly to the model's.
        picture: makes one of these pictures, see `painter`.

    Raises:
        BadInput: the loss was no finite number from the start, or the git repository has no commit yet.
    """
    kl_weight, texture_weight = model.settings["kl_weight"], model.settings["texture_weight"]
    best = Best(
        lambda logs: logs["val_reconstruction"] + kl_weight * logs["val_kl"] + texture_weight * logs["val_texture"],
        checkpoint,
        picture=picture if is_first() else None,
        pictured={0, *(-(-tenth * epochs // PICTURES) - 1 for tenth in range(1, PICTURES + 1))},
    )
    with live_curves(curves) if is_first() else nullcontext() as live:
        count, size = len(training.images), training.batch_size
        watchers = [Curves(live, best.pictures), Progress("train", epochs, count, size)] if live else []
        fit(
            model,
            Muon(RiseAndFall(learning_rate, epochs * len(training))),
            training,
            Batches(held_out, size),
            epochs,
            best,
            [WarmUp(kl_warmup), *watchers],
        )


def painter(model: VAE, training: Images, held_out: Images, seed: int) -> Callable[[], NDArray[np.uint8]]:
    """Makes a `snapshot` of the model as it is, on one device and in float32, however it is trained."""
    with alone():
        copy = model.copy()

    def paint() -> NDArray[np.uint8]:
        with alone():
            copy.set_weights(model.get_weights())
            return snapshot(copy, training, held_out, seed)

    return paint


def live_curves(folder: Path) -> Live:
    try:
        return Live(str(folder), dvcyaml=None, save_dvc_exp=False)
    except SCMError as error:
        raise BadInput(f"DVCLive needs a git repository with a commit, or none at all: {error}") from error
