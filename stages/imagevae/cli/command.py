"""The command line that all stages have in common: checked flags, errors of one line, exit status 2."""

import math
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn

import click

from imagevae.cli.errors import BadInput, printable
from imagevae.cli.guard import go_on_in_child
from imagevae.cli.output import new_folder

SETTINGS = {"show_default": True, "max_content_width": 100}


NAMED_COLOURS = {"black": "#000000", "white": "#ffffff"}


class FiniteRange(click.FloatRange):
    """A number with a range, as in click, that is neither infinite nor "not a number"."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


class Colour(click.ParamType):
    """black, white or #rrggbb, given to the stage as (red, green, blue), each 0 to 255."""

    name = "colour"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "[black|white|#rrggbb]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        digits = NAMED_COLOURS.get(value, value)
        try:
            if len(digits) != 7 or digits[0] != "#":
                raise ValueError
            return tuple(bytes.fromhex(digits[1:]))
        except ValueError:
            self.fail(f"{value!r} is not black, white or #rrggbb (two hexadecimal digits a channel).", param, ctx)


IMAGES = """Folder of images, or a tar or zip of them. Subfolders are kept, and archives inside count as subfolders.
Left aside and counted by kind: hidden files and folders, files without an image's extension, empty folders, links to
folders that are read anyway or lie outside, and links inside archives. Links to files are followed, wherever they lead.
Rejected and listed: damaged images, those of more than 134 megapixels or 1 GiB, what is no file, archives in archives,
and members of archives whose names are absolute or contain "..". A file that can't be read ends the run, and so does a
damaged archive, or a folder that changes meanwhile."""

SOURCE = click.Path(path_type=Path)  # a folder or an archive
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
SEED = click.IntRange(0, 2**32 - 1)

model = click.option(
    "--model", "model_file", type=FILE, required=True, help="Model that stages/train.py saved, named *.keras."
)
form = click.option(
    "--format",
    "form",
    type=click.Choice(["files", "shards"]),
    default="files",
    help="Write a file for each image; or shards of about 512 images each, which all stages read.",
)
fit = click.option(
    "--fit",
    type=click.Choice(["pad", "crop", "stretch"]),
    default="pad",
    help="What to do with images that are not square: pad with the background, crop the centre, or stretch.",
)
background = click.option(
    "--background", type=Colour(), default="black", help="Colour behind transparent pixels, and of padding."
)
profiles = click.option(
    "--profiles",
    type=click.Choice(["convert", "ignore"]),
    default="convert",
    help="What to do with images that have an ICC colour profile: convert their colours to sRGB, or keep the numbers.",
)
max_rejected = click.option(
    "--max_rejected",
    type=FiniteRange(0, 1),
    default=0.01,
    help="Share of the images that may be damaged; they are left out and listed. With more the stage fails.",
)
scheduler = click.option(
    "--scheduler",
    default="",
    help="Address of a Dask scheduler, tcp://HOST:8786 say, whose workers make the shards; empty for threads of this "
    "process. All must see the same files under the same paths, and have the same libraries.",
)


def output(what: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the flag --output of a folder to a function, which gets a new `folder` to fill, see `new_folder`."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        @click.option("--output", type=FOLDER, required=True, help=f"Folder for {what}.")
        @wraps(function)
        def fill(output: Path, **arguments: Any) -> None:
            with new_folder(output) as folder:
                function(folder=folder, **arguments)

        return fill

    return add


def run(command: click.Command, guarded: bool = False) -> NoReturn:
    """Run a stage as a program.

    Args:
        guarded: whether to survive crashes of C libraries, see `go_on_in_child`.

    Exits with 0 when it ends well and with 2 when flags, input files or the disk were at fault, after one line on
    stderr that names the culprit; a group of commands without any prints its help. Ctrl-C exits with 130. Anything else
    is a defect of ours and keeps its traceback.
    """
    if guarded:
        go_on_in_child(command.name or "")
    try:
        sys.exit(command.main(standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        sys.exit(2)
    except click.ClickException as error:
        message = error.format_message()
    except BadInput as error:
        message = str(error)
    except OSError as error:
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    except MemoryError:
        message = "too little memory"
    except click.Abort:
        print(f"{command.name}: stopped", file=sys.stderr)
        sys.exit(130)
    print(f"{command.name}: error: {printable(' '.join(message.split()))}", file=sys.stderr)
    sys.exit(2)
