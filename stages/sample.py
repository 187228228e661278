"""Draw new images from a trained model."""

from pathlib import Path

import click

from imagevae import command


@click.command("sample", context_settings=command.SETTINGS, help=__doc__)
@click.option("--model", "model_file", type=command.FILE, required=True, help="Model that stages/train.py saved.")
@click.option("--output", type=command.FOLDER, required=True, help="Folder for the samples, a PNG file each.")
@click.option(
    "--pictures",
    type=command.FOLDER,
    help="Folder for a grid of the first samples and, of a model with two latents, its manifold.",
)
@click.option("--count", type=click.IntRange(1, 1_000_000), default=256, help="Number of samples.")
@click.option("--seed", type=command.SEED, default=0, help="Seed of the samples; a larger count keeps the first ones.")
@click.option(
    "--temperature",
    type=command.FiniteRange(0, 100),
    default=1.0,
    help="Standard deviation of the latents; below 1 the samples are more alike and more typical.",
)
def main(model_file: Path, output: Path, pictures: Path | None, count: int, seed: int, temperature: float) -> None:
    from imagevae.backend import start_keras

    start_keras(seed)
    import numpy as np
    from tqdm import tqdm

    from imagevae.archive import load_model
    from imagevae.contact_sheet import contact_sheet
    from imagevae.decoding import decode_in_batches, manifold
    from imagevae.images import encode_png
    from imagevae.output import new_folder

    model = load_model(model_file)
    z = temperature * np.random.default_rng(seed).standard_normal((count, model.latent_dim), np.float32)
    shown = []
    with new_folder(output) as folder:
        samples = tqdm(decode_in_batches(model, z), total=count, desc=str(output), unit="sample", disable=None)
        for number, pixels in enumerate(samples):
            (folder / f"{number:06}.png").write_bytes(encode_png(pixels))
            if number < 64:
                shown.append(pixels)
    if pictures:
        with new_folder(pictures) as folder:
            (folder / "samples.png").write_bytes(encode_png(contact_sheet(shown, tile=model.size)))
            if model.latent_dim == 2:
                (folder / "manifold.png").write_bytes(encode_png(manifold(model)))


if __name__ == "__main__":
    command.run(main)
