"""Turn a folder of images of any kind into 8-bit RGB images: transparency is composited onto a background colour."""

from pathlib import Path

import click

from imagevae import command


@click.command("rgba2rgb", context_settings=command.SETTINGS, help=__doc__)
@click.option("--input", "source", type=command.FOLDER, required=True, help="Folder of images; subfolders are kept.")
@click.option("--output", type=command.FOLDER, required=True, help="Folder for the RGB images, written as PNG.")
@click.option("--background", type=command.Colour(), default="black", help="Colour behind transparent pixels.")
@click.option("--contact_sheet", type=command.FILE, help="PNG file to write with a choice of the RGB images.")
def main(source: Path, output: Path, background: tuple[int, ...], contact_sheet: Path | None) -> None:
    from imagevae.folders import convert_folder
    from imagevae.images import read_rgb

    convert_folder(source, output, lambda file: read_rgb(file, background), contact_sheet)


if __name__ == "__main__":
    command.run(main)
