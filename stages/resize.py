"""Resize the images of a folder to N x N pixels: averaged over areas where they shrink, cubic where they grow."""

from pathlib import Path

import click

from imagevae.cli import command


@click.command("resize", context_settings=command.SETTINGS, help=__doc__)
@click.option("--input", "source", type=command.SOURCE, required=True, help=command.IMAGES)
@click.option("--output", type=command.FOLDER, required=True, help="Folder for the resized images, written as PNG.")
@click.option("--size", type=click.IntRange(8, 1024), default=64, help="Width and height of the results, in pixels.")
@command.fit
@command.background
@command.profiles
@command.form
@command.max_rejected
@command.scheduler
@click.option("--contact_sheet", type=command.FILE, help="PNG file to write with a choice of the resized images.")
def main(
    source: Path,
    output: Path,
    size: int,
    fit: str,
    background: tuple[int, ...],
    profiles: str,
    form: str,
    max_rejected: float,
    scheduler: str,
    contact_sheet: Path | None,
) -> None:
    from imagevae.conversion.convert import convert_source
    from imagevae.conversion.shard import Converted, Recipe
    from imagevae.images.codec import decode, flatten
    from imagevae.images.colour import Colours
    from imagevae.images.encoding import encode_png
    from imagevae.images.square import fit_square

    def convert(data: bytes) -> Converted:
        colours = Colours(profiles == "convert")
        pixels = flatten(decode(data, colours), background)
        square = fit_square(pixels, size, fit, background)
        content = square.tobytes() if form == "shards" else encode_png(square)
        return Converted((pixels.shape[1], pixels.shape[0]), content, colours.notes)

    parameters = {"size": size, "fit": fit, "background": list(background), "profiles": profiles}
    recipe = Recipe(convert, parameters, size if form == "shards" else None)
    convert_source(source, output, recipe, form == "shards", max_rejected, contact_sheet, scheduler)


if __name__ == "__main__":
    command.run(main, guarded=True)
