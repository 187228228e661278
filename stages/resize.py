"""Resize the images of a folder to N x N pixels: averaged over areas where they shrink, cubic where they grow."""

from pathlib import Path

import click

from imagevae import command


@click.command("resize", context_settings=command.SETTINGS, help=__doc__)
@click.option("--input", "source", type=command.SOURCE, required=True, help=command.IMAGES)
@click.option("--output", type=command.FOLDER, required=True, help="Folder for the resized images, written as PNG.")
@click.option("--size", type=click.IntRange(8, 1024), default=64, help="Width and height of the results, in pixels.")
@click.option(
    "--fit",
    type=click.Choice(["pad", "crop", "stretch"]),
    default="pad",
    help="What to do with images that are not square: pad with the background, crop the centre, or stretch.",
)
@click.option("--background", type=command.Colour(), default="black", help="Colour of padding and of transparency.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["files", "shards"]),
    default="files",
    help="Write a PNG file for each image; or arrays of about 512 images each, which the other stages read.",
)
@command.max_rejected
@command.scheduler
@click.option("--contact_sheet", type=command.FILE, help="PNG file to write with a choice of the resized images.")
def main(
    source: Path,
    output: Path,
    size: int,
    fit: str,
    background: tuple[int, ...],
    form: str,
    max_rejected: float,
    scheduler: str,
    contact_sheet: Path | None,
) -> None:
    from imagevae.conversion import Recipe, convert_source
    from imagevae.images import decode, encode_png, flatten
    from imagevae.square import fit_square

    def convert(data: bytes) -> tuple[tuple[int, int], bytes]:
        pixels = flatten(decode(data), background)
        square = fit_square(pixels, size, fit, background)
        return (pixels.shape[1], pixels.shape[0]), square.tobytes() if form == "shards" else encode_png(square)

    parameters = {"size": size, "fit": fit, "background": list(background)}
    recipe = Recipe(convert, parameters, size if form == "shards" else None)
    convert_source(source, output, recipe, form == "shards", max_rejected, contact_sheet, scheduler)


if __name__ == "__main__":
    command.run(main)
