"""Turn a folder of images of any kind into 8-bit RGB images: transparency is composited onto a background colour."""

from pathlib import Path

import click

from imagevae import command

INPUT = """Folder of images, or a tar or zip of them. Subfolders are kept, and archives inside count as subfolders.
Left aside and counted: hidden files and folders, files without an image's extension, links to folders, empty folders,
and links inside archives. Links to files are followed, wherever they lead. Rejected and listed: damaged images, those
of more than 134 megapixels or 1 GiB, broken links, and members of archives whose names are absolute or contain "..".
A file that can't be read ends the run, and so does a folder that changes meanwhile."""


OUTPUT = """Folder for the RGB images. JPEG and PNG files that are upright 8-bit RGB already are taken over as they are,
without decoding them; all others are written as PNG, and a.gif gives a.gif.png, so that no two share a result."""


@click.command("rgba2rgb", context_settings=command.SETTINGS, help=__doc__)
@click.option("--input", "source", type=command.SOURCE, required=True, help=INPUT)
@click.option("--output", type=command.FOLDER, required=True, help=OUTPUT)
@click.option("--background", type=command.Colour(), default="black", help="Colour behind transparent pixels.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["files", "shards"]),
    default="files",
    help="Write a file for each image; or tars of about 512 images each, which the other stages read.",
)
@click.option(
    "--max_rejected",
    type=command.FiniteRange(0, 1),
    default=0.01,
    help="Share of the images that may be damaged; they are left out and listed. With more the stage fails.",
)
@click.option("--scheduler", default="", help=command.SCHEDULER)
@click.option("--contact_sheet", type=command.FILE, help="PNG file to write with a choice of the RGB images.")
def main(
    source: Path,
    output: Path,
    background: tuple[int, ...],
    form: str,
    max_rejected: float,
    scheduler: str,
    contact_sheet: Path | None,
) -> None:
    from imagevae.conversion import Recipe, convert_source
    from imagevae.images import decode, encode_png, flatten
    from imagevae.plain import rgb_size

    def convert(data: bytes) -> tuple[tuple[int, int], bytes]:
        if size := rgb_size(data):
            return size, data
        pixels = flatten(decode(data), background)
        return (pixels.shape[1], pixels.shape[0]), encode_png(pixels)

    recipe = Recipe(convert, {"background": list(background)})
    convert_source(source, output, recipe, form == "shards", max_rejected, contact_sheet, scheduler)


if __name__ == "__main__":
    command.run(main)
