"""What is odd in a folder of images, and what is there twice, as a table and pictures."""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from imagevae.exploring.doubles import doubles_sheet, groups
from imagevae.exploring.inputs import Folder
from imagevae.exploring.strange import (
    AREA,
    CELLS,
    PARTS,
    Oddity,
    Pixels,
    Reference,
    difference_map,
    measure,
    smooth,
    surprise_map,
)
from imagevae.images.contact_sheet import GREY, labelled
from imagevae.images.encoding import encode_png
from imagevae.model.coding import decode_in_batches, encode
from imagevae.model.vae import VAE

COLUMNS = ("path", "score", *PARTS, "share", "nearest", "distance", "group")
ROWS = 12  # of a picture, below each other


def write_findings(folder: Path, model: VAE, images: Folder, training: Folder | None, shown: int) -> None:
    """Write strange.csv, strange.png and, where there are near-duplicates, doubles.png.

    Each image is read once, and a few again. What is kept of each is its code.

    Args:
        training: the images of the training, where `images` are others.
        shown: images, and groups, in the pictures.
    """
    reference = Reference.of(measure(model, training)) if training else None
    found = measure(model, images)
    own, reference = reference is None, reference or Reference.of(found)
    if not reference.has_held_out:
        source = (training or images).source
        print(f"{source}: no image that was held out of the training; shares are of all images in it", file=sys.stderr)
    odd = reference.score(found, own)
    twins = groups(found.codes, images.__getitem__)
    order = np.lexsort([np.arange(len(odd.score)), -odd.score])
    write_table(folder / "strange.csv", images.names, (training or images).names, odd, twins, order)
    first = order[:shown]
    sheet = strange_sheet(model, reference, np.stack([images[row] for row in first.tolist()]), odd.score[first])
    (folder / "strange.png").write_bytes(encode_png(sheet))
    if twins:
        (folder / "doubles.png").write_bytes(encode_png(doubles_sheet(twins, images.__getitem__, shown)))


def write_table(
    file: Path, names: Sequence[str], others: Sequence[str], odd: Oddity, twins: list[list[int]], order: NDArray
) -> None:
    """Write a table, CSV, of some images in an order; what an image has not is left empty.

    Args:
        names: of the images.
        others: of the images that are the reference.
        twins: groups of near-duplicates, which are numbered from 1 on.
    """
    group = {image: number for number, members in enumerate(twins, start=1) for image in members}
    with file.open("w", newline="", encoding="utf-8", errors="surrogateescape") as opened:
        table = csv.writer(opened, lineterminator="\n")
        table.writerow(COLUMNS)
        for row in order.tolist():
            numbers = [f"{number:.4f}" for number in (odd.score[row], *odd.parts[row], odd.share[row])]
            there = odd.nearest[row] >= 0
            near = [others[odd.nearest[row]], f"{odd.distance[row]:.4f}"] if there else ["", ""]
            table.writerow([names[row], *numbers, *near, group.get(row, "")])


def panels(model: VAE, reference: Reference, squares: Pixels) -> list[list[Pixels]]:
    """For each image: itself, its reconstruction, where they differ, and where the flow is surprised.

    Maps are black where there is nothing, and brightest from twice the unit of their part on.

    Args:
        squares: uint8 (n, size, size, 3).
    """
    z = encode(model, squares).z_mean
    rebuilt = list(decode_in_batches(model, z))
    residues = [smooth(difference_map(*pair), AREA) for pair in zip(squares, rebuilt, strict=True)]
    surprises = [smooth(each, CELLS) for each in surprise_map(model, z)]
    full = np.exp(reference.middle + 2 * reference.unit)
    return [
        [square, again, _painted(left / full[1], model.size), _painted(surprised / full[0], model.size)]
        for square, again, left, surprised in zip(squares, rebuilt, residues, surprises, strict=True)
    ]


def strange_sheet(model: VAE, reference: Reference, squares: Pixels, scores: NDArray[np.float64]) -> Pixels:
    """For each image its score and its `panels`.

    Args:
        squares: uint8 (n, size, size, 3).
        scores: (n,).
    """
    rows = panels(model, reference, squares)
    columns = -(-len(rows) // ROWS)
    blank = [np.full_like(squares[0], GREY[0])] * len(rows[0])
    rows += [blank] * (columns * -(-len(rows) // columns) - len(rows))
    names = [*(f"{score:.1f}" for score in scores), *[""] * (len(rows) - len(squares))]
    height = len(rows) // columns
    parts = (slice(start, start + height) for start in range(0, len(rows), height))
    return np.concatenate([labelled(np.array(rows[part]), names[part]) for part in parts], axis=1)


def _painted(share: NDArray[np.floating], size: int) -> Pixels:
    """A map of 0 to 1 in colours."""
    levels = np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)
    large = cv2.resize(levels, (size, size), interpolation=cv2.INTER_NEAREST)
    return cv2.cvtColor(cv2.applyColorMap(large, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
