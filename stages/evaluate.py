"""Measure a trained model on the images that its training held out, and show what it makes of them."""

import json
from pathlib import Path

import click

from imagevae import command


@click.command("evaluate", context_settings=command.SETTINGS, help=__doc__)
@click.option("--model", "model_file", type=command.FILE, required=True, help="Model that stages/train.py saved.")
@click.option("--images", type=command.FOLDER, required=True, help="Folder of the images that it was trained on.")
@click.option("--samples", type=command.FOLDER, required=True, help="Folder of the model's samples.")
@click.option("--output", type=command.FILE, required=True, help="JSON file for the metrics.")
@click.option("--pictures", type=command.FOLDER, help="Folder for pictures of reconstructions and of samples.")
@click.option("--draws", type=click.IntRange(1, 1000), default=4, help="Latents drawn for each image's ELBO.")
@click.option("--seed", type=command.SEED, default=0, help="Seed of these draws.")
@click.option("--shown", type=click.IntRange(1, 1000), default=36, help="Images of a kind in each picture.")
def main(
    model_file: Path,
    images: Path,
    samples: Path,
    output: Path,
    pictures: Path | None,
    draws: int,
    seed: int,
    shown: int,
) -> None:
    from imagevae.backend import start_keras
    from imagevae.dataset import read_squares, split
    from imagevae.errors import BadInput

    start_keras(seed)
    from imagevae.archive import load_model
    from imagevae.contact_sheet import evenly_spaced, side_by_side
    from imagevae.evaluation import measure
    from imagevae.images import encode_png
    from imagevae.output import new_folder, write_file

    model = load_model(model_file)
    all_images, sampled = read_squares(images), read_squares(samples)
    for folder, found in ((images, all_images), (samples, sampled)):
        if found.size != model.size:
            raise BadInput(
                f"{folder}: {found.size}x{found.size} pixels, but {model_file} is a model of {model.size}x{model.size}"
            )
    training, held_out = split(all_images, model.held_out, images)
    metrics, reconstructions = measure(model, held_out, draws, seed)
    if pictures:
        picks, real, drawn = (evenly_spaced(len(some), shown) for some in (held_out, training, sampled))
        with new_folder(pictures) as folder:
            (folder / "reconstructions.png").write_bytes(
                encode_png(side_by_side(held_out[picks], reconstructions[picks]))
            )
            (folder / "samples.png").write_bytes(encode_png(side_by_side(training[real], sampled[drawn])))
    write_file(output, (json.dumps(metrics, indent=2) + "\n").encode())


if __name__ == "__main__":
    command.run(main)
