"""Measure a trained model and its samples against the images that its training held out.

Each figure comes with its sample size and a 95% interval, beside the floor and the control that it is to be judged by.
"""

from pathlib import Path

import click

from imagevae.cli import command


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
    from imagevae.evaluation.contents import all_sections
    from imagevae.evaluation.features import judges_of
    from imagevae.evaluation.headlines import headlines, summary
    from imagevae.evaluation.latent_map import check_layout
    from imagevae.evaluation.sets import read_pool
    from imagevae.evaluation.sheets import all_sheets, kl_table
    from imagevae.evaluation.subject import choose
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
    pool = read_pool(model, model_file, images, samples)
    labels = read_labels(model.settings["labels"], label_table)
    judges = judges_of(model.size, networks, seed, features, features_range)
    subject = choose(model, pool, labels, factors, compared, seed)
    sections, sheets = all_sections(subject, judges, bounded, draws, seed)
    if pictures:
        with new_folder(pictures) as folder:
            for name, sheet in (all_sheets(subject, shown, map, seed) | sheets).items():
                (folder / f"{name}.png").write_bytes(encode_png(sheet))
            (folder / "kl_per_unit.tsv").write_text(kl_table(subject))
    write_file(output, summary(headlines(sections), sections))
    if report or model_card:
        flags = {name: value for name, value in context.params.items() if not isinstance(value, Path | None)}
        folders = [folder for folder in (drawn, pictures) if folder]
        settings = {**model.settings, "flow_guidance": float(model.flow.strength)}
        counts, of_classes = subject.counts(), subject.class_counts()
        record = read_record(settings, flags, counts, of_classes, output, images, samples, originals, curves, folders)
        for made_file, text_of in ((report, report_of), (model_card, card_of)):
            if made_file:
                write_file(made_file, text_of(record).encode(errors="backslashreplace"))


if __name__ == "__main__":
    command.run(main)
