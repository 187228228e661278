"""What can be done with a trained model by hand.

Images may be of any kind and size; they are brought into the model's form as stages/resize.py would.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imagevae.cli import command
from imagevae.cli.errors import BadInput

if TYPE_CHECKING:
    from imagevae.model.vae import VAE

FRAMES = 32  # of an animation, from one image to the next


@click.group("explore", context_settings=command.SETTINGS, help=__doc__)
def main() -> None:
    pass


images = click.option("--images", type=command.SOURCE, required=True, help=command.IMAGES)


def of_model(function: Callable[..., None]) -> click.Command:
    """Add a command that takes a model."""
    return main.command()(command.model(function))


def fitted(function: Callable[..., None]) -> Callable[..., None]:
    """Add the flags that bring images into the model's form, see `Form`."""
    return command.fit(command.background(function))


def load(file: Path) -> "VAE":
    """Start Keras, and load a model."""
    from imagevae.model.backend import start_keras

    start_keras(seed=0)
    from imagevae.model.archive import load_model

    return load_model(file)


@of_model
@images
@command.output("the reconstructions")
@command.form
@fitted
def reconstruct(model_file: Path, images: Path, folder: Path, form: str, **fitting: Any) -> None:
    """Reconstruct each image of a folder, from z_mean."""
    model = load(model_file)
    from imagevae.exploring.inputs import Form, read_folder
    from imagevae.exploring.writing import write_squares
    from imagevae.model.coding import decode_in_batches, encode_in_batches

    names, squares = read_folder(images, Form(model.size, **fitting))
    decoded = decode_in_batches(model, (z_mean for z_mean, _ in encode_in_batches(model, squares)))
    write_squares(folder, zip(names, decoded, strict=True), form, {"reconstructed": images.name})


@of_model
@images
@command.output("latents.csv")
@click.option("--all", "everything", is_flag=True, help="Write z_mean and z_log_sigma instead, all latents of both.")
@fitted
def encode(model_file: Path, images: Path, folder: Path, everything: bool, **fitting: Any) -> None:
    """Write the codes of images to latents.csv.

    A row for each image of the folder: its name, and its code, which is where it lies on the axes along which the
    images of the training vary most.
    """
    model = load(model_file)
    import numpy as np

    from imagevae.exploring.inputs import Form, read_folder
    from imagevae.exploring.writing import write_latents
    from imagevae.model.coding import codes_in_batches, encode_in_batches

    names, squares = read_folder(images, Form(model.size, **fitting))
    columns, rows = {"code": model.axes.count}, codes_in_batches(model, squares)
    if everything:
        columns = {"z_mean": model.latent_dim, "z_log_sigma": model.latent_dim}
        rows = map(np.concatenate, encode_in_batches(model, squares))
    write_latents(folder / "latents.csv", columns, names, rows)


@of_model
@click.argument("files", metavar="IMAGE IMAGE [IMAGE]...", type=command.FILE, nargs=-1, required=True)
@click.option("--closed", is_flag=True, help="Go on from the last image to the first.")
@command.output("strip.png and animation.png")
@fitted
def interpolate(model_file: Path, files: tuple[Path, ...], closed: bool, folder: Path, **fitting: Any) -> None:
    """Show the way from one image to the next.

    Through two images or more, as strip.png, with a row from each to the next, and animation.png. The way leads through
    the noise that the flow makes images of, so that there are whole images on it; with a model without a flow, through
    the latents.
    """
    if len(files) < 2:
        raise BadInput(f"{files[0]}: one image; a way takes two or more")
    model = load(model_file)
    from imagevae.exploring.animation import encode_animation
    from imagevae.exploring.inputs import Form, read_square
    from imagevae.exploring.interpolation import interpolation, strips
    from imagevae.images.encoding import encode_png

    form, last = Form(model.size, **fitting), len(files) - 1
    squares = [read_square(file, form) for file in files]
    pairs = [(number, number + 1) for number in range(last)] + [(last, 0)] * closed
    ways = interpolation(model, squares, pairs, FRAMES)
    (folder / "strip.png").write_bytes(encode_png(strips(squares, pairs, ways[:, :: FRAMES // 8])))
    (folder / "animation.png").write_bytes(encode_animation(ways, closed))


@of_model
@click.argument("file", metavar="IMAGE", type=command.FILE)
@command.output("variations.png, and for each variation a PNG file")
@click.option(
    "--kept",
    type=command.FiniteRange(0, 1),
    multiple=True,
    default=(0.9, 0.8, 0.7, 0.6, 0.4),
    help="How near variations stay: 1 gives the image's reconstruction, 0 any image. Several give a row each.",
)
@click.option("--count", type=click.IntRange(1, 1000), default=8, help="Number of variations for each --kept.")
@click.option("--seed", type=command.SEED, default=0, help="Seed of the variations.")
@fitted
def vary(
    model_file: Path, file: Path, folder: Path, kept: tuple[float, ...], count: int, seed: int, **fitting: Any
) -> None:
    """Draw variations of an image.

    The noise that the flow makes the image of is mixed with other noise. variations.png has a row for each --kept, with
    the image at its left; the folders are named for it.
    """
    model = load(model_file)
    from imagevae.exploring.inputs import Form, read_square
    from imagevae.exploring.interpolation import variations, variations_sheet
    from imagevae.exploring.writing import write_squares
    from imagevae.images.encoding import encode_png

    square = read_square(file, Form(model.size, **fitting))
    shares = list(dict.fromkeys(kept))
    rows = variations(model, square, shares, count, seed)
    for share, row in zip(shares, rows, strict=True):
        write_squares(folder / f"{share:g}", ((f"{n:03}.png", pixels) for n, pixels in enumerate(row)), "files", {})
    (folder / "variations.png").write_bytes(encode_png(variations_sheet(square, rows)))


@of_model
@command.output("traversal.png")
@click.option("--from", "start", type=command.FILE, help="Image to move; without, the mean of the training images.")
@click.option("--axes", "file", type=command.FILE, help="Follow the axes of a CSV file that `direction` wrote instead.")
@click.option("--count", type=click.IntRange(1, 64), default=12, help="Axes, from the one that explains most.")
@fitted
def traverse(model_file: Path, folder: Path, start: Path | None, file: Path | None, count: int, **fitting: Any) -> None:
    """Show what lies along each axis.

    A row for each in traversal.png: the axes along which training images vary most, from -2 to 2 standard deviations,
    with the share of the variance that each explains.
    """
    model = load(model_file)
    from imagevae.exploring.inputs import Form, read_square
    from imagevae.exploring.traversal import principal_axes, read_axes, traversal
    from imagevae.images.contact_sheet import labelled
    from imagevae.images.encoding import encode_png
    from imagevae.model.coding import encode

    axes = read_axes(file, model) if file else principal_axes(model, count)
    if not axes:
        raise BadInput(f"{model_file}: its training images are all alike, there is no axis to follow")
    z = encode(model, [read_square(start, Form(model.size, **fitting))]).z_mean[0] if start else None
    picture = labelled(traversal(model, axes, z), [axis.name for axis in axes])
    (folder / "traversal.png").write_bytes(encode_png(picture))


@of_model
@click.argument("first", type=command.SOURCE)
@click.argument("second", type=command.SOURCE)
@command.output("direction.csv")
@fitted
def direction(model_file: Path, first: Path, second: Path, folder: Path, **fitting: Any) -> None:
    """Find what tells the images of two folders apart.

    Writes the mean latents of FIRST and SECOND to direction.csv. `traverse --axes` follows the axis through both:
    SECOND lies at -1, FIRST at 1.
    """
    model = load(model_file)
    from imagevae.exploring.inputs import Form, read_folder
    from imagevae.exploring.writing import write_latents
    from imagevae.model.coding import mean_latents

    form = Form(model.size, **fitting)
    means = [mean_latents(model, read_folder(source, form)[1]) for source in (first, second)]
    names = [source.resolve().name for source in (first, second)]
    write_latents(folder / "direction.csv", {"z": model.latent_dim}, names, means)


@of_model
@images
@command.output("strange.csv, strange.png and, where there are near-duplicates, doubles.png")
@click.option("--reference", type=command.SOURCE, help="The images of the training, where --images are others.")
@click.option("--shown", type=click.IntRange(1, 1000), default=24, help="Images, and groups, in the pictures.")
@fitted
def strange(model_file: Path, images: Path, folder: Path, reference: Path | None, shown: int, **fitting: Any) -> None:
    """Find odd images and near-duplicates in a folder.

    strange.csv has a row for each image, the oddest first, with the share of held-out images that score higher.
    """
    model = load(model_file)
    from imagevae.exploring.findings import write_findings
    from imagevae.exploring.inputs import Form, open_folder

    form = Form(model.size, **fitting)
    looked_at, training = open_folder(images, form), open_folder(reference, form) if reference else None
    write_findings(folder, model, looked_at, training, shown)


@of_model
@command.output("manifold.png")
def manifold(model_file: Path, folder: Path) -> None:
    """Show the plane of a model with two latents.

    A grid of decoded z at the quantiles of the normal distribution, as manifold.png.
    """
    model = load(model_file)
    from imagevae.exploring.traversal import plane
    from imagevae.images.encoding import encode_png

    if model.latent_dim != 2:
        raise BadInput(f"{model_file}: a model with {model.latent_dim} latents; a plane takes one with two")
    (folder / "manifold.png").write_bytes(encode_png(plane(model)))


@of_model
@click.option("--images", type=command.SOURCE, help="Folder or archive of images to look at and start from.")
@click.option(
    "--host",
    default="127.0.0.1",
    help="Address of this machine to serve the page at. With any but the default, others on the network can open it.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=7860, help="Port of the page; 0 for a free one.")
@fitted
def app(model_file: Path, images: Path | None, host: str, port: int, **fitting: Any) -> None:
    """Serve a page to play with a model.

    In a browser on this machine: draw samples, move an image along axes, go from one image to another and, with
    --images, see what the model makes of an image, how odd it is, and which ones of the folder are nearest to it.
    """
    from imagevae.exploring.inputs import Form
    from imagevae.exploring.serving import listen, serve

    with listen(host, port) as listening:
        model = load(model_file)
        serve(listening, model, Form(model.size, **fitting), images, f"Playing with {model_file.name}", host)


@of_model
@command.output("encoder.onnx, decoder.onnx, sampler.onnx, model.json and README.md")
@fitted
def export(model_file: Path, folder: Path, **fitting: Any) -> None:
    """Write a model as networks in ONNX.

    They run without Keras: from an image to its latents, from latents to an image, and from noise to an image.
    README.md shows how, and model.json says it for programs. --fit and --background are only written down there.
    """
    model = load(model_file)
    from imagevae.exploring.export import export_networks

    export_networks(model, fitting, folder)


if __name__ == "__main__":
    command.run(main)
