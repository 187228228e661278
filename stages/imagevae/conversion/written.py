"""What an image stage wrote and what it did not: the results to show, and the images that were rejected."""

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput
from imagevae.conversion.threads import cores
from imagevae.images.codec import decode, flatten
from imagevae.images.contact_sheet import GREY, TILE
from imagevae.images.left_aside import report
from imagevae.images.listing import Listing, read_part
from imagevae.images.square import fit_square

SHOWN = 64  # images on the contact sheet, at most
Pixels = NDArray[np.uint8]


@dataclass
class Written:
    """What was written: some of it, as files with the start and the size there; by the names of images why they were
    rejected, and notes on others."""

    shown: list[tuple[str, int, int]]
    rejected: dict[str, str]
    notes: dict[str, str]


def report_rejected(listing: Listing, written: Written, max_rejected: float, source: Path) -> None:
    """Report on stderr what was left aside, what was rejected, and notes on images, by kind.

    Raises:
        BadInput: too much was rejected.
    """
    count, rejected = len(listing.items) + len(listing.rejected), written.rejected
    for line in report(listing.aside, source):
        print(line, file=sys.stderr)
    for note, times in sorted(Counter(written.notes.values()).items()):
        print(f"{source}: {times} of {count} images used, though {note}", file=sys.stderr)
    if rejected:
        print(f"{source}: {len(rejected)} of {count} images rejected", file=sys.stderr)
        width = min(60, max(len(repr(name)) for name in rejected))
        for name, reason in sorted(rejected.items()):
            print(f"  {name!r:{width}}  {reason}", file=sys.stderr)
    if len(rejected) > max_rejected * count or len(rejected) == count:
        raise BadInput(
            f"{source}: {len(rejected)} of {count} images rejected, more than max_rejected={max_rejected:g} allows: "
            f"repair or remove them; {min(rejected)!r} is the first"
        )


def read_tiles(folder: Path, written: Written, square: int | None) -> list[Pixels]:
    """A choice of the results; one that was taken over as it was, and can't be decoded, is left out."""

    def read(place: tuple[str, int, int]) -> Pixels | None:
        file, start, size = place
        content = read_part(folder / file, start, size)
        if square:
            return np.frombuffer(content, np.uint8).reshape(square, square, 3)
        try:
            return fit_square(flatten(decode(content), GREY), TILE, "pad", GREY)
        except BadInput:
            return None

    with ThreadPoolExecutor(cores()) as pool:
        return [tile for tile in pool.map(read, written.shown) if tile is not None]
