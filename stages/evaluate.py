"""Measure a trained model and its samples against the images that its training held out.

Each figure comes with its sample size and a 95% interval, beside the floor and the control that it is to be judged by.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagevae.cli import command

if TYPE_CHECKING:
    from imagevae.dataset.squares import Images
    from imagevae.model.vae import VAE


@click.command("evaluate", context_settings=command.SETTINGS, help=__doc__)
@command.model
@click.option("--images", type=command.FOLDER, required=True, help="Folder of the images that it was trained on.")
@click.option("--samples", type=command.FOLDER, required=True, help="Folder of the model's samples.")
@click.option("--output", type=command.FILE, required=True, help="JSON file for the metrics.")
@click.option(
    "--pictures",
    type=command.FOLDER,
    help="Folder for pictures of reconstructions, samples, suspected copies and a map, and for the KL divergence per "
    "unit.",
)
@click.option(
    "--factors",
    type=command.FILE,
    help="CSV file of the factors that images were made from: names in a column `file`. An empty one stands for none.",
)
@click.option(
    "--features",
    type=command.FILE,
    help="Network, .keras or .onnx, to compare samples by its features too. An empty one stands for none.",
)
@click.option(
    "--features_range",
    type=click.Choice(["levels", "unit", "symmetric", "imagenet"]),
    default="levels",
    help="Range of pixels that this network takes: 0 to 255, 0 to 1, -1 to 1, or normalised by ImageNet's statistics.",
)
@click.option(
    "--label_table",
    type=command.FILE,
    help="CSV file that the labels of images were read from, if they were. An empty one stands for none.",
)
@click.option("--report", type=command.FILE, help="HTML file for a report: all results on one page.")
@click.option("--model_card", type=command.FILE, help="Markdown file for a model card.")
@click.option(
    "--curves", type=command.FOLDER, help="For these two: the folder plots/metrics that stages/train.py made."
)
@click.option("--drawn", type=command.FOLDER, help="For these two: the pictures that stages/sample.py made.")
@click.option("--originals", type=command.FILE, help="For these two: the manifest that stages/rgba2rgb.py made.")
@click.option("--networks", type=click.IntRange(1, 100), default=3, help="Random networks that compare samples.")
@click.option("--compared", type=click.IntRange(10, 20_000), default=2000, help="Images of a kind that are compared.")
@click.option("--bounded", type=click.IntRange(1, 100_000), default=500, help="Images of a kind for the likelihood.")
@click.option("--draws", type=click.IntRange(1, 10_000), default=16, help="Latents drawn for each image's likelihood.")
@click.option("--seed", type=command.SEED, default=0, help="Seed of the choice of images, of draws and of networks.")
@click.option("--shown", type=click.IntRange(1, 1000), default=36, help="Images of a kind in each picture.")
@click.option(
    "--map",
    type=click.Choice(["pca", "tsne", "umap"]),
    default="pca",
    help="How the map lays images out by their codes: pca takes the first two numbers. t-SNE and UMAP, from all of "
    "them, keep neighbours together; they take half a minute for 4,000 images, and UMAP needs umap-learn.",
)
def main(
    model_file: Path,
    images: Path,
    samples: Path,
    output: Path,
    pictures: Path | None,
    factors: Path | None,
    features: Path | None,
    features_range: str,
    label_table: Path | None,
    report: Path | None,
    model_card: Path | None,
    curves: Path | None,
    drawn: Path | None,
    originals: Path | None,
    networks: int,
    compared: int,
    bounded: int,
    draws: int,
    seed: int,
    shown: int,
    map: str,
) -> None:
    from imagevae.model.backend import start_keras

    start_keras(seed)
    from imagevae.cli.output import check_output, new_folder, sole_writer, write_file
    from imagevae.dataset.labels import read_labels
    from imagevae.evaluation.between import between_section
    from imagevae.evaluation.by_class import class_sheets, classes_of, classes_section, in_proportion, report_missing
    from imagevae.evaluation.codes import code_sections
    from imagevae.evaluation.factors import read_factors
    from imagevae.evaluation.features import judges_of
    from imagevae.evaluation.headlines import headlines, summary
    from imagevae.evaluation.latent_map import check_layout
    from imagevae.evaluation.odd_images import folder_section
    from imagevae.evaluation.sections import (
        CODED,
        Sets,
        comparison_section,
        derive,
        kl_of_units,
        latents_section,
        likelihood_section,
        memorisation_section,
        reconstruction_section,
    )
    from imagevae.evaluation.sheets import kl_table, mapped, sheets
    from imagevae.exploring.interpolation import interpolations
    from imagevae.images.encoding import encode_png
    from imagevae.model.archive import load_model
    from imagevae.report.model_card import model_card as card_of
    from imagevae.report.record import read_record
    from imagevae.report.report import report as report_of

    check_output(pictures)
    check_layout(map)
    context = click.get_current_context()
    for file in filter(None, (output, report, model_card)):
        context.with_resource(sole_writer(file))
    model = load_model(model_file)
    training, held_out, sampled = read_images(model, model_file, images, samples)
    classes, labels = model.classes, read_labels(model.settings["labels"], label_table)
    numbers = classes_of(classes, labels, training, held_out, sampled)
    report_missing(classes, numbers.samples)
    fair = sampled.subset(in_proportion(numbers.samples, numbers.training))
    chosen = [each.some(compared, seed) for each in (training, held_out, fair)]
    values = read_factors(factors, [name for each in chosen[:2] for name in each.names[:CODED]]) if factors else None
    judges = judges_of(model.size, networks, seed, features, features_range)

    sets = Sets(training, *(each[:] for each in chosen))
    made = derive(model, sets)
    sections = {
        "likelihood": likelihood_section(model, sets, bounded, draws, seed),
        "reconstruction": reconstruction_section(sets, made),
        **{f"{name}_features": comparison_section(several, sets, seed) for name, several in judges.items()},
        "memorisation": memorisation_section(sets, made, seed),
        "latents": latents_section(made.encoded, values, seed),
        "between": between_section(model, judges, sets, made, seed),
        **code_sections(model.axes, made.encoded, sets, values, seed),
    }
    sections["folder"], of_folder = folder_section(model, sets)
    if classes:
        of_each = sampled.some(compared, seed)
        kinds, by_class = classes_of(classes, labels, chosen[0], chosen[1], of_each), sets._replace(samples=of_each[:])
        sections["classes"] = classes_section(classes, kinds, list(judges.values())[-1], by_class, made)
        of_folder |= class_sheets(classes, kinds, by_class)
    counts = {"training": len(training), "held_out": len(held_out), "sampled": len(sampled)}
    if pictures:
        with new_folder(pictures) as folder:
            shots = sheets(sets, made, shown) | of_folder
            shots["interpolations"] = interpolations(model, sets.held_out[:8])
            on_map = classes_of(classes, labels, *chosen)
            shots["map"] = mapped(model, sets, made, values, on_map, list(counts.values()), map, seed)
            for name, sheet in shots.items():
                (folder / f"{name}.png").write_bytes(encode_png(sheet))
            (folder / "kl_per_unit.tsv").write_text(kl_table(kl_of_units(made.encoded["model"].held_out)))
    write_file(output, summary(headlines(sections), sections))
    if report or model_card:
        parameters = {name: value for name, value in context.params.items() if not isinstance(value, Path | None)}
        folders = [folder for folder in (drawn, pictures) if folder]
        of_classes = {name: int((numbers.training == number).sum()) for number, name in enumerate(classes)}
        settings = {**model.settings, "flow_guidance": float(model.flow.strength)}
        record = read_record(
            settings, parameters, counts, of_classes, output, images, samples, originals, curves, folders
        )
        for made_file, text_of in ((report, report_of), (model_card, card_of)):
            if made_file:
                write_file(made_file, text_of(record).encode(errors="backslashreplace"))


def read_images(model: "VAE", model_file: Path, images: Path, samples: Path) -> "tuple[Images, Images, Images]":
    """The images that a model was trained on, those that it held out, and its samples.

    Raises:
        BadInput: they are not of the model's size, or too few.
    """
    from imagevae.cli.errors import BadInput
    from imagevae.dataset.held_out import split
    from imagevae.dataset.squares import read_squares

    known, sampled = read_squares(images), read_squares(samples)
    for folder, found in ((images, known), (samples, sampled)):
        if found.size != model.size:
            raise BadInput(
                f"{folder}: {found.size}x{found.size} pixels, but {model_file} is a model of {model.size}x{model.size}"
            )
    training, held_out = split(known, model.held_out, images)
    if min(len(held_out), len(sampled)) < 2:
        raise BadInput(
            f"{images}, {samples}: {len(held_out)} held-out images and {len(sampled)} samples; two of each are needed, "
            "so add images or samples"
        )
    return training, held_out, sampled


if __name__ == "__main__":
    command.run(main)
