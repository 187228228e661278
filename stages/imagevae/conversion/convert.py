"""Converting a source of images into a folder of images or of shards, image by image."""

import errno
from pathlib import Path

from imagevae.cli.errors import BadInput
from imagevae.cli.output import check_output, new_folder, write_file
from imagevae.conversion.incremental import write_shards
from imagevae.conversion.last_run import Reusable
from imagevae.conversion.progress import progress
from imagevae.conversion.shard import Recipe, convert_items
from imagevae.conversion.threads import cores, keep_freed_memory
from imagevae.conversion.written import SHOWN, Written, read_tiles, report_rejected
from imagevae.images.complaints import quiet_decoders
from imagevae.images.contact_sheet import contact_sheet, evenly_spaced
from imagevae.images.encoding import encode_png
from imagevae.images.listing import Listing
from imagevae.images.sources import list_source, state
from imagevae.images.storage import file_name

DEEPEST = 256  # folders inside of each other: Python makes and deletes them by recursion
UNFIT_NAME = (errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EILSEQ)


def convert_source(
    source: Path,
    output: Path,
    recipe: Recipe,
    sharded: bool,
    max_rejected: float,
    sheet: Path | None,
    scheduler: str = "",
) -> None:
    """Convert each image of a source.

    Args:
        source: folder or archive, see `list_source`.
        output: folder for a file for each image, at the same place; or for shards and their manifest.
        sharded: whether to write shards. As a stage of DVC, this reuses what the last run left in DVC's cache.
        max_rejected: share of the images that may be unusable; they are left out and listed on stderr.
        sheet: PNG file for a contact sheet of the results, or None.
        scheduler: address of a Dask scheduler whose workers are to make the shards; empty for threads of this process.

    Raises:
        BadInput: no images, too many that can't be used, one that can't be read or that changes meanwhile, two folders
            of which one lies in the other, or no cluster.
        OSError: the output can't be written, or the disk is full.
        In both cases nothing is written.
    """
    keep_freed_memory()
    refuse_nested(source, output)
    check_output(output)
    if scheduler and not sharded:
        raise BadInput("--scheduler: a cluster makes shards; add --format shards")
    before = state(source)
    listing = list_source(source.absolute() if scheduler else source)
    with quiet_decoders(), new_folder(output) as folder:
        if sharded:
            written = write_shards(listing, source, output, folder.absolute(), recipe, scheduler)
        else:
            written = write_files(listing, folder, recipe)
        if state(source) != before:  # DVC takes the source as it is in the end for what was read
            raise BadInput(f"{source}: changed while the stage was running; run it again")
        report_rejected(listing, written, max_rejected, source)
        tiles = read_tiles(folder, written, recipe.square) if sheet else []
    if sheet:
        write_file(sheet, encode_png(contact_sheet(tiles)))


def refuse_nested(source: Path, output: Path) -> None:
    inner, outer = source.resolve(), output.resolve()
    if inner == outer or outer in inner.parents or inner in outer.parents:
        raise BadInput(f"{output}: --output must lie outside of --input {source}, and --input outside of it")


def write_files(listing: Listing, folder: Path, recipe: Recipe) -> Written:
    """Write each result as a file at the place of its image."""
    names, rejected, notes = [], dict(listing.rejected), dict[str, str]()
    with progress(len(listing.items)) as update:
        for result in convert_items(listing.items, recipe, Reusable(), cores()):
            update(1)
            if result.reason:
                rejected[result.name] = result.reason
                continue
            name = file_name(result.name, result.content)
            if name.count("/") > DEEPEST:
                rejected[result.name] = f"it lies more than {DEEPEST} folders deep; use shards"
                continue
            try:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(result.content)
            except OSError as error:
                if error.errno not in UNFIT_NAME:
                    raise
                rejected[result.name] = f"no file of its name can be written ({error.strerror}); use shards"
                continue
            names.append(name)
            if result.note:
                notes[result.name] = result.note
    return Written([(names[pick], 0, -1) for pick in evenly_spaced(len(names), SHOWN)], rejected, notes)
