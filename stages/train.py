"""Train a variational autoencoder on square images, some of which are held out to measure it."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path

import click

from imagevae.cli import command

OF_MODEL = ("network", "latent_dim", "width", "kl_weight", "texture_weight", "held_out", "labels", "precision", "seed")
# Parameters that a model does not need, kept with it for the record.
HOW = ("epochs", "batch_size", "learning_rate", "kl_warmup", "flip", "shift", "flow_steps", "precision")

ENOUGH, MOST = 64_000, 200  # images that training sees by default, and epochs that it takes for that at most


def epochs_for(images: int) -> int:
    """How many passes show a model `ENOUGH` images in all, given the number of training images."""
    return min(MOST, -(-ENOUGH // images))


@click.command("train", context_settings=command.SETTINGS, help=__doc__)
@click.option("--input", "source", type=command.FOLDER, required=True, help="Folder of square images of one size.")
@click.option("--output", type=command.FILE, required=True, help="File for the trained model, named *.keras.")
@click.option("--curves", type=command.FOLDER, required=True, help="Folder for the curves; emptied first.")
@click.option(
    "--checkpoint",
    type=command.FOLDER,
    help="Folder for the state of a training that was cut off, to go on from; by default beside the folder of OUTPUT.",
)
@click.option("--init", type=command.FILE, help="Model of the same network to start from, instead of at random.")
@click.option(
    "--network",
    type=click.Choice(["spatial", "vector", "mlp"]),
    default="spatial",
    help="Convolutions with latents on a grid of 16x16 cells at most, convolutions with latents that see all of the "
    "image, or two dense layers.",
)
@click.option("--latent_dim", type=click.IntRange(1, 65536), default=1024, help="Number of latent units.")
@click.option(
    "--width", type=click.IntRange(4, 512), default=48, help="Channels at half resolution; up to 8 times as many below."
)
@click.option(
    "--kl_weight", type=command.FiniteRange(0, 1e6), default=0.5, help="Weight of the KL term; 1 gives the ELBO."
)
@click.option(
    "--texture_weight",
    type=command.FiniteRange(0, 1e6),
    default=1.0,
    help="Weight of the error of local textures, against smoothness; 0 trains by the pixels alone.",
)
@click.option("--kl_warmup", type=click.IntRange(0, 10**6), default=0, help="Epochs over which the KL weight rises.")
@click.option(
    "--epochs",
    type=click.IntRange(0, 10**6),
    default=0,
    help=f"Passes over the training images; 0 for as many as show {ENOUGH:,} images, {MOST} at most.",
)
@click.option(
    "--schedule",
    type=command.FiniteRange(0, 1000, min_open=True),
    default=1.0,
    help="Times that the training is as long as EPOCHS and FLOW_STEPS say, which are both multiplied by it.",
)
@click.option("--batch_size", type=click.IntRange(1, 10**5), default=8, help="Images in a training step.")
@click.option(
    "--learning_rate",
    type=command.FiniteRange(0, 10, min_open=True),
    default=0.002,
    help="Step size of Muon, the optimizer; it rises to this in the first 5% of the training and then falls linearly "
    "to 0.",
)
@click.option(
    "--flip",
    is_flag=True,
    default=False,
    help="Train on mirrored images too; the flow learns them as they are.",
)
@click.option(
    "--shift",
    type=click.IntRange(0, 1024),
    default=0,
    help="Train on images moved by up to this many pixels too; the flow learns them as they are.",
)
@click.option(
    "--held_out",
    type=command.FiniteRange(0, 1, min_open=True, max_open=True),
    default=0.1,
    help="Share of the images that is held out of training.",
)
@click.option(
    "--labels",
    type=click.Choice(["none", "folders", "table"]),
    default="none",
    help="Where the classes of images come from: none, the first folder on the path of each, or --label_table. Samples "
    "can be drawn of a class then.",
)
@click.option(
    "--label_table",
    type=command.FILE,
    help="CSV file with columns path and label, for --labels table. An empty one stands for none.",
)
@click.option(
    "--flow_steps",
    type=click.IntRange(0, 10**8),
    default=1750,
    help="Training steps of the flow that learns the distribution of the latents, half as many as those of a narrow "
    "one; 0 leaves it out.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "mixed_bfloat16"]),
    default="float32",
    help="What the networks compute in; mixed_bfloat16 is for GPUs, and processors with AVX512-BF16 or AMX. Weights, "
    "latents and losses are float32 always.",
)
@click.option(
    "--devices",
    type=click.Choice(["one", "all", "cluster"]),
    default="one",
    help="Train on one device, on all of this machine, or on those of several processes, each of which runs this "
    "command; more than one need KERAS_BACKEND=jax.",
)
@click.option("--seed", type=command.SEED, default=0, help="Seed of weights, noise and order of images.")
def main(
    source: Path,
    output: Path,
    curves: Path,
    checkpoint: Path | None,
    init: Path | None,
    network: str,
    latent_dim: int,
    width: int,
    kl_weight: float,
    texture_weight: float,
    kl_warmup: int,
    epochs: int,
    schedule: float,
    batch_size: int,
    learning_rate: float,
    flip: bool,
    shift: int,
    held_out: float,
    labels: str,
    label_table: Path | None,
    flow_steps: int,
    precision: str,
    devices: str,
    seed: int,
) -> None:
    import numpy as np
    from numpy.typing import NDArray

    from imagevae.cli.errors import BadInput
    from imagevae.cli.output import sole_writer
    from imagevae.dataset.held_out import split
    from imagevae.dataset.labels import find_classes, read_labels
    from imagevae.dataset.squares import read_squares
    from imagevae.model.backend import start_keras

    if output.suffix != ".keras":
        raise BadInput(f"--output {output}: its name must end in .keras")
    training, held = split(read_squares(source), held_out, source)
    if len(training) < 2:
        raise BadInput(f"{source}: one training image; two at least are needed, so add images or lower held_out")
    classes = find_classes(read_labels(labels, label_table), training.names, held.names, source)
    epochs = max(1, round(schedule * (epochs or epochs_for(len(training)))))
    flow_steps = max(min(1, flow_steps), round(schedule * flow_steps))
    if classes.names and not flow_steps:
        print("warning: samples of a class come from the flow, which flow_steps 0 leaves out", file=sys.stderr)

    start_keras(seed)
    import keras

    from imagevae.model.archive import load_model, save_model
    from imagevae.model.vae import VAE
    from imagevae.training.batches import Batches
    from imagevae.training.checkpoint import Checkpoint, training_key
    from imagevae.training.devices import check_agreement, shared_by
    from imagevae.training.fit_priors import fit_priors, report_densities, with_priors
    from imagevae.training.fit_vae import fit_vae, painter

    home = output.absolute().parent  # outside of which checkpoints lie, since DVC empties it before a stage
    folder = (checkpoint or home.parent / f".{home.name}.checkpoint") / output.name
    context = click.get_current_context()
    flags = context.params
    how = {name: flags[name] for name in HOW} | {"epochs": epochs, "flow_steps": flow_steps}
    decisive = {
        name: value for name, value in flags.items() if name != "devices" and not isinstance(value, Path | None)
    }
    start = np.frombuffer(init.read_bytes() if init else b"", np.uint8)
    data: Iterator[NDArray] = chain([start, classes.training, classes.held_out], training.blocks(), held.blocks())
    key = training_key([decisive, training.size, classes.names], data)
    with shared_by(devices) as first:
        if first:
            context.call_on_close(partial(_remove_if_empty, folder.parent))
            context.with_resource(sole_writer(output, beside=folder))
            context.with_resource(sole_writer(curves))
        check_agreement(key)
        try:
            settings = {name: flags[name] for name in OF_MODEL}
            model = VAE(size=training.size, training=how, classes=classes.names, **settings)
        except ValueError as error:
            raise BadInput(f"--latent_dim {latent_dim}: {error}") from None
        if init:
            model.take_weights(load_model(init), init)
        batches = Batches(training, batch_size, seed, flip, shift)
        state, picture = Checkpoint(folder / "vae.npz", key), painter(model, training, held, seed)
        fit_vae(model, batches, held, curves, state, epochs, learning_rate, kl_warmup, picture)
    if not first:
        return
    keras.utils.clear_session()  # names of layers are numbered from the start again, whatever was built before
    model = model.copy()
    fitted = fit_priors(model, training, held, folder, key, flow_steps, seed, classes, precision)
    save_model(with_priors(model, fitted), output)
    report_densities(fitted)
    shutil.rmtree(folder)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


if __name__ == "__main__":
    command.run(main)
