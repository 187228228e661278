"""Resize the images of a folder to N x N pixels: averaged over areas where they shrink, cubic where they grow."""

from pathlib import Path

import click

from imagevae import command


@click.command("resize", context_settings=command.SETTINGS, help=__doc__)
@click.option("--input", "source", type=command.FOLDER, required=True, help="Folder of images; subfolders are kept.")
@click.option("--output", type=command.FOLDER, required=True, help="Folder for the resized images, written as PNG.")
@click.option("--size", type=click.IntRange(8, 1024), default=64, help="Width and height of the results, in pixels.")
@click.option(
    "--fit",
    type=click.Choice(["pad", "crop", "stretch"]),
    default="pad",
    help="What to do with images that are not square: pad with the background, crop the centre, or stretch.",
)
@click.option("--background", type=command.Colour(), default="black", help="Colour of padding and of transparency.")
@click.option("--contact_sheet", type=command.FILE, help="PNG file to write with a choice of the resized images.")
def main(
    source: Path, output: Path, size: int, fit: str, background: tuple[int, ...], contact_sheet: Path | None
) -> None:
    from imagevae.folders import convert_folder
    from imagevae.images import read_rgb
    from imagevae.square import fit_square

    convert_folder(
        source, output, lambda file: fit_square(read_rgb(file, background), size, fit, background), contact_sheet
    )


if __name__ == "__main__":
    command.run(main)
