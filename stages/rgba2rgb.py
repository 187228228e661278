"""Turn a folder of images of any kind into 8-bit RGB images: transparency is composited onto a background colour."""

from pathlib import Path

import click

from imagevae.cli import command

OUTPUT = """Folder for the RGB images. JPEG and PNG files that are upright 8-bit RGB already are taken over as they are,
without decoding them; all others are written as PNG, and a.gif gives a.gif.png, so that no two share a result."""


@click.command("rgba2rgb", context_settings=command.SETTINGS, help=__doc__)
@click.option("--input", "source", type=command.SOURCE, required=True, help=command.IMAGES)
@click.option("--output", type=command.FOLDER, required=True, help=OUTPUT)
@command.background
@command.profiles
@command.form
@command.max_rejected
@command.scheduler
@click.option("--contact_sheet", type=command.FILE, help="PNG file to write with a choice of the RGB images.")
def main(
    source: Path,
    output: Path,
    background: tuple[int, ...],
    profiles: str,
    form: str,
    max_rejected: float,
    scheduler: str,
    contact_sheet: Path | None,
) -> None:
    from imagevae.conversion.convert import convert_source
    from imagevae.conversion.plain import rgb_size
    from imagevae.conversion.shard import Converted, Recipe
    from imagevae.images.codec import decode, flatten
    from imagevae.images.colour import Colours
    from imagevae.images.encoding import encode_png

    def convert(data: bytes) -> Converted:
        colours = Colours(profiles == "convert")
        if size := rgb_size(data, colours):
            if form == "files":  # no stage that follows will look whether it is whole
                decode(data, colours)
            return Converted(size, data, colours.notes)
        pixels = flatten(decode(data, colours), background)
        return Converted((pixels.shape[1], pixels.shape[0]), encode_png(pixels), colours.notes)

    recipe = Recipe(convert, {"background": list(background), "profiles": profiles})
    convert_source(source, output, recipe, form == "shards", max_rejected, contact_sheet, scheduler)


if __name__ == "__main__":
    command.run(main, guarded=True)
