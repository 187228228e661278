"""Draw new images from a trained model. What else can be done with one is in stages/explore.py."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagevae.cli import command

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from imagevae.model.vae import VAE

MOVED = ("reconstruct", "interpolate", "encode", "traverse", "manifold")  # modes of this script once
ROWS, COLUMNS = 32, 8  # of the grid of all classes: their number at most, samples of each
AXES = 12  # along which a sample is moved


class Sample(click.Command):
    """Names the new command where a command line is that of a mode which this script once had."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for mode in MOVED:
            if any(word.partition("=")[0] == f"--{mode}" for word in args):
                raise click.UsageError(f"--{mode} is a command of its own now: python stages/explore.py {mode} --help")
        return super().parse_args(ctx, args)


def labels_of(label: str, model: "VAE", file: Path, sampler: str) -> list[str | None]:
    """The classes to draw of, where `label` is one or stands for all; for none, a single None."""
    from imagevae.cli.errors import BadInput
    from imagevae.model.classes import ALL, few_of

    if not label:
        return [None]
    if not model.classes:
        raise BadInput(
            f"--label {label}: {file} was trained without labels; train with --labels folders or table, or leave it out"
        )
    if label not in (ALL, *model.classes):
        raise BadInput(f"--label {label}: no class of {file}, which has {few_of(model.classes)}; or all")
    if not model.has_flow:
        raise BadInput(
            f"--label {label}: samples of a class come from a flow, and {file} has none; train with flow_steps above 0"
        )
    if sampler != "flow":
        raise BadInput(f"--label {label}: --sampler {sampler} knows no classes; take flow, or best")
    return list(model.classes) if label == ALL else [label]


@click.command("sample", cls=Sample, context_settings=command.SETTINGS, help=__doc__)
@command.model
@click.option("--output", type=command.FOLDER, required=True, help="Folder for the samples.")
@click.option(
    "--pictures",
    type=command.FOLDER,
    help="Folder for a grid of the first samples, the first one moved along 12 axes and, of a model with two latents, "
    "their plane.",
)
@click.option("--count", type=click.IntRange(1, 1_000_000), default=256, help="Number of samples.")
@click.option("--seed", type=command.SEED, default=0, help="Seed of the samples; a larger count keeps the first ones.")
@click.option(
    "--temperature",
    type=command.FiniteRange(0, 100),
    default=1.0,
    help="Standard deviation of the noise that becomes z; below 1 the samples are more alike and more typical.",
)
@click.option(
    "--guidance",
    type=command.FiniteRange(0, 100),
    default=1.0,
    help="How far samples of a flow are kept from the faults of a weaker one: 0 for not at all, 1 for as far as "
    "training found right. More makes them more typical, and in the end less varied.",
)
@click.option(
    "--sampler",
    type=click.Choice(["best", "normal", "mixture", "flow"]),
    default="best",
    help="Distribution that z is drawn from: the flow if there is one, or else the one of the other two under which "
    "held-out latents are likelier. With a spatial network, normal draws noise: cells of the grid that know nothing of "
    "each other.",
)
@click.option(
    "--label",
    default="",
    help="Name of a class to draw of, for a model of images with labels; all for COUNT of each class. Samples lie in a "
    "folder named for their class then. Empty for samples of any.",
)
@command.form
def main(
    model_file: Path,
    output: Path,
    pictures: Path | None,
    count: int,
    seed: int,
    temperature: float,
    guidance: float,
    sampler: str,
    label: str,
    form: str,
) -> None:
    from imagevae.model.backend import start_keras

    start_keras(seed)
    from tqdm import tqdm

    from imagevae.cli.errors import BadInput
    from imagevae.cli.output import check_output, new_folder
    from imagevae.exploring.writing import write_squares
    from imagevae.images.encoding import encode_png
    from imagevae.model.archive import load_model
    from imagevae.model.classes import class_folder
    from imagevae.model.coding import decode_in_batches
    from imagevae.model.sampling import draw_latents

    check_output(pictures)
    model = load_model(model_file)
    if sampler == "best":
        sampler = model.settings["sampler"]
    elif sampler not in model.settings["densities"]:
        raise BadInput(f"--sampler {sampler}: {model_file} has none; its training may have had flow_steps 0")
    labels = labels_of(label, model, model_file, sampler)
    draw = partial(draw_latents, model.priors[sampler], seed=seed, temperature=temperature, guidance=guidance)
    with new_folder(output) as folder:
        samples = decode_in_batches(model, (z for each in labels for z in draw(count, label=each)))
        seen = tqdm(samples, total=count * len(labels), desc="sample", unit="sample", disable=None)
        homes = [f"{class_folder(each)}/" if each else "" for each in labels]
        names = (f"{home}{number:06}.png" for home in homes for number in range(count))
        how = {**draw.keywords, "sampler": sampler, "label": label}
        write_squares(folder, zip(names, seen, strict=True), form, how)
    if pictures:
        with new_folder(pictures) as folder:
            for name, picture in pictures_of(model, draw, labels, count).items():
                (folder / f"{name}.png").write_bytes(encode_png(picture))


def pictures_of(
    model: "VAE", draw: "Callable[..., Iterator[NDArray]]", labels: list[str | None], count: int
) -> "dict[str, NDArray]":
    """The grid of the first samples, `samples`; the first one moved along axes, `traversal`; the plane of a model with
    two latents, `manifold`.

    Args:
        draw: some latents, of a class where `label` names one.
        count: samples of each of the classes, or of any.
    """
    from imagevae.exploring.traversal import plane, principal_axes, traversal
    from imagevae.images.contact_sheet import contact_sheet, evenly_spaced, labelled, rows_of
    from imagevae.model.coding import decode_in_batches

    several = len(labels) > 1
    some = [labels[place] for place in evenly_spaced(len(labels), ROWS)]
    first = min(count, COLUMNS if several else 64)
    latents = [z for each in some for z in draw(first, label=each)]
    shown = list(decode_in_batches(model, latents))
    sheet = labelled(rows_of(shown, first), list(map(str, some))) if several else contact_sheet(shown, tile=model.size)
    found = {"samples": sheet}
    if axes := principal_axes(model, AXES):
        found["traversal"] = labelled(traversal(model, axes, latents[0]), [axis.name for axis in axes])
    if model.latent_dim == 2:
        found["manifold"] = plane(model)
    return found


if __name__ == "__main__":
    command.run(main)
