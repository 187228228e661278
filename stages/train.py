"""Train a variational autoencoder on square images, some of which are held out to measure it."""

from pathlib import Path

import click

from imagevae import command


@click.command("train", context_settings=command.SETTINGS, help=__doc__)
@click.option("--input", "source", type=command.FOLDER, required=True, help="Folder of square images of one size.")
@click.option("--output", type=command.FILE, required=True, help="File for the trained model, named *.keras.")
@click.option("--curves", type=command.FOLDER, required=True, help="Folder for the curves; emptied first.")
@click.option("--latent_dim", type=click.IntRange(1, 4096), default=64, help="Number of latent units.")
@click.option(
    "--width", type=click.IntRange(4, 512), default=32, help="Channels at half resolution; up to 8 times as many below."
)
@click.option(
    "--kl_weight", type=command.FiniteRange(0, 1e6), default=30.0, help="Weight of the KL term; 1 gives the ELBO."
)
@click.option("--kl_warmup", type=click.IntRange(0, 10**6), default=10, help="Epochs over which the KL weight rises.")
@click.option("--epochs", type=click.IntRange(1, 10**6), default=50, help="Passes over the training images.")
@click.option("--batch_size", type=click.IntRange(1, 10**5), default=64, help="Images in a training step.")
@click.option(
    "--learning_rate",
    type=command.FiniteRange(0, 10, min_open=True),
    default=0.002,
    help="Step size of Adam at the start; it falls to 0 along a cosine.",
)
@click.option(
    "--held_out",
    type=command.FiniteRange(0, 1, min_open=True, max_open=True),
    default=0.1,
    help="Share of the images that is held out of training.",
)
@click.option("--seed", type=command.SEED, default=0, help="Seed of weights, noise and order of images.")
def main(
    source: Path,
    output: Path,
    curves: Path,
    latent_dim: int,
    width: int,
    kl_weight: float,
    kl_warmup: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    held_out: float,
    seed: int,
) -> None:
    from imagevae.backend import start_keras
    from imagevae.dataset import read_squares, split
    from imagevae.errors import BadInput

    if output.suffix != ".keras":
        raise BadInput(f"--output {output}: a name that ends in .keras is wanted")
    training, held = split(read_squares(source), held_out, source)

    start_keras(seed)
    from imagevae.archive import save_model
    from imagevae.training import fit
    from imagevae.vae import VAE

    how = dict(epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, kl_warmup=kl_warmup)
    model = VAE(training.size, latent_dim, width, kl_weight, held_out, seed, how)
    fit(model, training, held, curves, epochs, batch_size, learning_rate, kl_warmup, seed)
    save_model(model, output)


if __name__ == "__main__":
    command.run(main)
