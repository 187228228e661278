"""Draw new images from a trained model. What else can be done with one is in stages/explore.py."""

from pathlib import Path

import click

from imagevae.cli import command

MOVED = ("reconstruct", "interpolate", "encode", "traverse", "manifold")  # modes of this script once


class Sample(click.Command):
    """Names the new command where a command line is that of a mode which this script once had."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for mode in MOVED:
            if any(word.partition("=")[0] == f"--{mode}" for word in args):
                raise click.UsageError(f"--{mode} is a command of its own now: python stages/explore.py {mode} --help")
        return super().parse_args(ctx, args)


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
    form: str,
) -> None:
    from imagevae.model.backend import start_keras

    start_keras(seed)
    from tqdm import tqdm

    from imagevae.cli.errors import BadInput
    from imagevae.cli.output import check_output, new_folder
    from imagevae.exploring.traversal import labelled, plane, principal_axes, traversal
    from imagevae.exploring.writing import write_squares
    from imagevae.images.contact_sheet import contact_sheet
    from imagevae.images.encoding import encode_png
    from imagevae.model.archive import load_model
    from imagevae.model.coding import decode_in_batches
    from imagevae.model.sampling import draw_latents

    check_output(pictures)
    model = load_model(model_file)
    if sampler == "best":
        sampler = model.settings["sampler"]
    elif sampler not in model.settings["densities"]:
        raise BadInput(f"--sampler {sampler}: {model_file} has none; its training may have had flow_steps 0")
    with new_folder(output) as folder:
        drawn = draw_latents(model.priors[sampler], count, seed, temperature, guidance)
        samples = decode_in_batches(model, drawn)
        seen = enumerate(tqdm(samples, total=count, desc="sample", unit="sample", disable=None))
        named = ((f"{number:06}.png", pixels) for number, pixels in seen)
        how = {"seed": seed, "temperature": temperature, "guidance": guidance, "sampler": sampler}
        write_squares(folder, named, form, how)
    if not pictures:
        return
    with new_folder(pictures) as folder:
        latents = list(draw_latents(model.priors[sampler], min(count, 64), seed, temperature, guidance))
        shown = list(decode_in_batches(model, latents))
        (folder / "samples.png").write_bytes(encode_png(contact_sheet(shown, tile=model.size)))
        if axes := principal_axes(model, 12):
            picture = labelled(traversal(model, axes, latents[0]), [axis.name for axis in axes])
            (folder / "traversal.png").write_bytes(encode_png(picture))
        if model.latent_dim == 2:
            (folder / "manifold.png").write_bytes(encode_png(plane(model)))


if __name__ == "__main__":
    command.run(main)
