"""Draw new images from a trained model, or show what it makes of images and what its latents do.

Without a mode, samples are drawn. One mode at a time; all need nothing but the model, and --reconstruct, --interpolate
and --encode images as well: of any kind and size, fitted to the model as stages/resize.py would.
"""

from pathlib import Path

import click
from click.core import ParameterSource

from imagevae import command

FOR_IMAGES = {"fit", "background"}
FOR_SAMPLES = {"pictures", "count", "seed", "temperature", "guidance", "sampler", "form"}
MODES: dict[str, set[str]] = {  # each with the flags that mean something to it
    "reconstruct": {"form", *FOR_IMAGES},
    "interpolate": FOR_IMAGES,
    "encode": FOR_IMAGES,
    "traverse": set(),
    "manifold": set(),
}
ROWS = 128


def check_mode(context: click.Context) -> None:
    """Refuse a command line that names two modes, or a flag that means nothing to its mode."""
    given = [
        option
        for option in context.command.params
        if context.get_parameter_source(option.name or "") == ParameterSource.COMMANDLINE
    ]
    modes = [option for option in given if option.name in MODES]
    if len(modes) > 1:
        raise click.UsageError(f"{modes[0].opts[0]} and {modes[1].opts[0]} are two modes: one at a time")
    used = {str(modes[0].name), *MODES[str(modes[0].name)]} if modes else FOR_SAMPLES
    for option in given:
        if option.name not in {"model_file", "output", *used}:
            raise click.UsageError(f"{option.opts[0]} means nothing to {modes[0].opts[0] if modes else 'samples'}")


@click.command("sample", context_settings=command.SETTINGS, help=__doc__)
@click.option("--model", "model_file", type=command.FILE, required=True, help="Model that stages/train.py saved.")
@click.option("--output", type=command.FOLDER, required=True, help="Folder for the samples, or what the mode makes.")
@click.option(
    "--pictures",
    type=command.FOLDER,
    help="Folder for a grid of the first samples, the 12 most active latents and, of a model with two, their plane.",
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
    "held-out latents are likelier.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["files", "shards"]),
    default="files",
    help="Write a PNG file for each sample or reconstruction; or arrays of 512 each, which stages/evaluate.py reads.",
)
@click.option("--reconstruct", type=command.SOURCE, help="Mode: reconstruct each image of this folder, from z_mean.")
@click.option(
    "--interpolate",
    type=command.FILE,
    nargs=2,
    help="Mode: the way between two images, spherical in the latents, as strip.png and animation.png.",
)
@click.option("--encode", type=command.SOURCE, help="Mode: the latents of this folder's images, as latents.csv.")
@click.option("--traverse", is_flag=True, help=f"Mode: what each active latent does; a row each, {ROWS} at most.")
@click.option("--manifold", is_flag=True, help="Mode: the plane of a model with two latents.")
@click.option(
    "--fit",
    type=click.Choice(["pad", "crop", "stretch"]),
    default="pad",
    help="What to do with images that are not square: pad with the background, crop the centre, or stretch.",
)
@click.option("--background", type=command.Colour(), default="black", help="Colour of padding and of transparency.")
@click.pass_context
def main(
    context: click.Context,
    model_file: Path,
    output: Path,
    pictures: Path | None,
    count: int,
    seed: int,
    temperature: float,
    guidance: float,
    sampler: str,
    form: str,
    reconstruct: Path | None,
    interpolate: tuple[Path, Path] | None,
    encode: Path | None,
    traverse: bool,
    manifold: bool,
    fit: str,
    background: tuple[int, ...],
) -> None:
    check_mode(context)
    from imagevae.backend import start_keras

    start_keras(seed)
    from tqdm import tqdm

    from imagevae.animation import encode_animation
    from imagevae.archive import load_model
    from imagevae.contact_sheet import contact_sheet
    from imagevae.decoding import decode_in_batches
    from imagevae.encoding import encode_in_batches
    from imagevae.errors import BadInput
    from imagevae.images import encode_png
    from imagevae.inputs import Form, read_folder, read_square
    from imagevae.interpolation import interpolation, strip
    from imagevae.output import new_folder
    from imagevae.sampling import draw_latents
    from imagevae.traversal import active_latents, plane, traversal
    from imagevae.writing import write_latents, write_squares

    model = load_model(model_file)
    if sampler == "best":
        sampler = model.settings["sampler"]
    elif sampler not in model.settings["densities"]:
        raise BadInput(f"--sampler {sampler}: {model_file} has none; its training may have had flow_steps 0")
    wanted = Form(model.size, fit, background)
    with new_folder(output) as folder:
        if reconstruct:
            names, images = read_folder(reconstruct, wanted)
            decoded = decode_in_batches(model, (z_mean for z_mean, _ in encode_in_batches(model, images)))
            write_squares(folder, zip(names, decoded, strict=True), form, {"reconstructed": reconstruct.name})
        elif encode:
            names, images = read_folder(encode, wanted)
            write_latents(folder / "latents.csv", model.latent_dim, names, encode_in_batches(model, images))
        elif interpolate:
            first, last = (read_square(file, wanted) for file in interpolate)
            way = interpolation(model, first, last, steps=33)
            (folder / "strip.png").write_bytes(encode_png(strip(first, last, way[::4])))
            (folder / "animation.png").write_bytes(encode_animation(way))
        elif traverse:
            active = active_latents(model)
            if not active:
                raise BadInput(f"{model_file}: none of its latents changes the image, there is nothing to traverse")
            print(f"{len(active)} of {model.latent_dim} latents are active; rows, from the top:", *active[:ROWS])
            (folder / "traversal.png").write_bytes(encode_png(traversal(model, active[:ROWS])))
        elif manifold:
            if model.latent_dim != 2:
                raise BadInput(f"{model_file}: a model with {model.latent_dim} latents; --manifold wants one with two")
            (folder / "manifold.png").write_bytes(encode_png(plane(model)))
        else:
            drawn = draw_latents(model.priors[sampler], count, seed, temperature, guidance)
            samples = decode_in_batches(model, drawn)
            seen = enumerate(tqdm(samples, total=count, desc="sample", unit="sample", disable=None))
            named = ((f"{number:06}.png", pixels) for number, pixels in seen)
            how = {"seed": seed, "temperature": temperature, "guidance": guidance, "sampler": sampler}
            write_squares(folder, named, form, how)
    if pictures:
        with new_folder(pictures) as folder:
            latents = draw_latents(model.priors[sampler], min(count, 64), seed, temperature, guidance)
            shown = list(decode_in_batches(model, latents))
            (folder / "samples.png").write_bytes(encode_png(contact_sheet(shown, tile=model.size)))
            if active := active_latents(model):
                (folder / "traversal.png").write_bytes(encode_png(traversal(model, active[:12])))
            if model.latent_dim == 2:
                (folder / "manifold.png").write_bytes(encode_png(plane(model)))


if __name__ == "__main__":
    command.run(main)
