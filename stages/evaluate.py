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
@click.option("--report", type=command.FILE, help="HTML file for a report: one page that shows and tells all of it.")
@click.option("--model_card", type=command.FILE, help="Markdown file for a model card.")
@click.option(
    "--curves", type=command.FOLDER, help="For these two: the folder plots/metrics that stages/train.py made."
)
@click.option("--drawn", type=command.FOLDER, help="For these two: the pictures that stages/sample.py made.")
@click.option("--originals", type=command.FILE, help="For these two: the manifest that stages/rgba2rgb.py made.")
@click.option("--draws", type=click.IntRange(1, 1000), default=4, help="Latents drawn for each image's ELBO.")
@click.option("--seed", type=command.SEED, default=0, help="Seed of these draws.")
@click.option("--shown", type=click.IntRange(1, 1000), default=36, help="Images of a kind in each picture.")
def main(
    model_file: Path,
    images: Path,
    samples: Path,
    output: Path,
    pictures: Path | None,
    report: Path | None,
    model_card: Path | None,
    curves: Path | None,
    drawn: Path | None,
    originals: Path | None,
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
    from imagevae.interpolation import interpolations
    from imagevae.model_card import model_card as write_card
    from imagevae.output import new_folder, write_file
    from imagevae.record import read_record
    from imagevae.report import report as write_report

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
        picks, real, shown_samples = (evenly_spaced(len(some), shown) for some in (held_out, training, sampled))
        with new_folder(pictures) as folder:
            (folder / "reconstructions.png").write_bytes(
                encode_png(side_by_side(held_out[picks], reconstructions[picks]))
            )
            (folder / "interpolations.png").write_bytes(encode_png(interpolations(model, held_out[picks[:8]])))
            (folder / "samples.png").write_bytes(encode_png(side_by_side(training[real], sampled[shown_samples])))
    write_file(output, (json.dumps(metrics, indent=2) + "\n").encode())
    if report or model_card:
        flags = click.get_current_context().params
        parameters = {name: value for name, value in flags.items() if not isinstance(value, Path | None)}
        counts = {"training": len(training), "held_out": len(held_out), "sampled": len(sampled)}
        folders = [folder for folder in (drawn, pictures) if folder]
        record = read_record(model.settings, parameters, counts, output, images, samples, originals, curves, folders)
        if report:
            write_file(report, write_report(record).encode())
        if model_card:
            write_file(model_card, write_card(record).encode())


if __name__ == "__main__":
    command.run(main)
