"""A map of images: small pictures where their latents lie in two dimensions, and a dot for each image below."""

import math
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from imagevae.cli.errors import BadInput
from imagevae.images.lettering import drawable, font, text_width
from imagevae.images.square import fit_square

SIDE = 960  # of the map, in pixels
MOST = 24  # pictures along a side of the map, at most
LINE, GAP, FRAME, DOT = 22, 12, 2, 3  # height of a line of text, and widths, in pixels
PANEL = (SIDE - 2 * GAP) // 3  # of the dots of a kind, in pixels
EDGE = 0.002  # share of the images at either end of an axis that are moved to the edge of the map
KINDS = {"training images": (120, 120, 120), "unseen images": (31, 119, 180), "samples": (255, 127, 14)}
PAPER, INK, FAINT = (255, 255, 255), (34, 34, 34), (225, 225, 225)
PALETTE = [
    *((78, 121, 167), (242, 142, 43), (225, 87, 89), (118, 183, 178), (89, 161, 79)),
    *((237, 201, 72), (176, 122, 161), (255, 157, 167), (156, 117, 95), (186, 176, 172)),
]
LIGHTEST = 205  # level of a colour that can be seen on paper
OTHERS = (90, 90, 90)  # groups beyond the palette, and images whose group is not known
LONGEST = 24  # letters of a name
NEIGHBOURS = 5  # that are looked at for each image
TEXT = 13  # height of text, in pixels

Colour = tuple[int, int, int]
Entry = tuple[str, Colour | None]  # of a legend: a text and its colour
Points = NDArray[np.float64]


class Part(NamedTuple):
    """Images of one kind.

    Attributes:
        pictures: uint8 (n, size, size, 3).
        codes: (n, d).
        total: number of images of the kind, of which these are a choice.
    """

    pictures: NDArray[np.uint8]
    codes: NDArray[np.float32]
    total: int


class Groups(NamedTuple):
    """What images may be grouped by.

    Attributes:
        name: of a factor, or of the classes.
        of: the group of each image of each kind, (n,), an empty string where it is not known.
    """

    name: str
    of: Sequence[Sequence[str]]


def latent_map(parts: Sequence[Part], known: Sequence[Groups], how: str, seed: int) -> NDArray[np.uint8]:
    """Draw a map of training images, unseen images and samples.

    Above are pictures on a grid, one for each cell, in a frame that tells the kind. Which kind comes first changes from
    cell to cell, so that all kinds are seen where there are all, and one is missed where there are none of it. Below is
    a dot for each image, with a panel for each kind.

    Args:
        parts: training images, unseen images and samples.
        known: what dots may be coloured by; of several, the one that neighbours on the map have most in common.
        how: "pca" for the first two numbers of the codes, "tsne" or "umap" for what these make of all numbers.

    Returns:
        uint8 (height, SIDE, 3).
    """
    counts = [len(part.codes) for part in parts]
    everywhere = spread(positions(np.concatenate([part.codes for part in parts]), how, seed))
    places = np.split(everywhere, np.cumsum(counts)[:-1])
    columns = min(MOST, max(4, math.isqrt(sum(counts))))
    cells = chosen_for_cells(places, columns)
    groups = max(known, key=lambda one: kinship(places, one), default=None)
    colours, legend = colouring(groups, places)
    head = [("Frames:", None), *KINDS.items(), (f"{len(cells):,} of {sum(counts):,} images", None)]
    lines = [*wrapped(head), *wrapped(legend)]

    top = LINE * len(lines)
    canvas = Image.new("RGB", (SIDE, top + SIDE + GAP + LINE + PANEL), PAPER)
    draw = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        _write(draw, 0, number * LINE, line)
    _draw_pictures(canvas, top, parts, cells, SIDE // columns)
    for number, (name, part) in enumerate(zip(KINDS, parts, strict=True)):
        left, below = number * (PANEL + GAP), top + SIDE + GAP
        of = f" of {part.total:,}" if part.total > len(part.codes) else ""
        _write(draw, left, below, [(f"{len(part.codes):,}{of} {name}", None)])
        _draw_dots(draw, left, below + LINE, everywhere, [FAINT] * sum(counts))
        _draw_dots(draw, left, below + LINE, places[number], colours[number])
    return np.asarray(canvas)


def check_layout(how: str) -> None:
    """Raise BadInput where what lays the map out is not installed."""
    if how == "umap" and not find_spec("umap"):
        raise BadInput("--map umap needs umap-learn: pip install -r requirements-umap.txt")


def positions(codes: NDArray[np.float32], how: str, seed: int) -> Points:
    """Where codes (n, d) lie in two dimensions, (n, 2)."""
    plane = np.zeros((len(codes), 2))
    plane[:, : codes.shape[1]] = codes[:, :2]
    if how == "pca" or len(codes) < 4:
        return plane
    if how == "umap":
        from umap import UMAP

        return UMAP(n_neighbors=min(15, len(codes) - 1), random_state=seed, n_jobs=1).fit_transform(codes)
    start = 1e-4 * plane / max(plane[:, 0].std(), 1e-30)
    with threadpool_limits(1):  # sums of several threads differ in their last digits, and the map in the end
        perplexity = min(30, (len(codes) - 1) / 3)
        return TSNE(init=start.astype(np.float32), perplexity=perplexity, random_state=seed).fit_transform(codes)


def spread(points: Points) -> Points:
    """Scale each axis of points (n, 2) to 0 to 1, downwards the second, with those far out moved to the edge."""
    low, high = np.quantile(points, [EDGE, 1 - EDGE], axis=0)
    flat = high - low < 1e-9
    scaled = np.where(flat, 0.5, (points - low) / np.where(flat, 1, high - low))
    return np.clip(scaled, 0, 1) * [1, -1] + [0, 1]


def chosen_for_cells(places: Sequence[Points], columns: int) -> dict[tuple[int, int], tuple[int, int]]:
    """The image that is shown in each cell of a grid: one of the kind whose turn it is there or, where it has none, of
    the next; of several the one nearest to the middle.

    Returns:
        kind and index of an image by row and column.
    """
    points = np.concatenate(places) * columns
    kinds = np.repeat(np.arange(len(places)), [len(some) for some in places])
    indices = np.concatenate([np.arange(len(some)) for some in places])
    column, row = np.minimum(points.astype(int), columns - 1).T
    away = np.square(points - np.stack([column, row], axis=1) - 0.5).sum(axis=1)
    order = np.lexsort((away.round(6), (kinds - row - column) % len(places), column, row))
    _, first = np.unique(row[order] * columns + column[order], return_index=True)
    return {(int(row[n]), int(column[n])): (int(kinds[n]), int(indices[n])) for n in order[first]}


def kinship(places: Sequence[Points], groups: Groups) -> float:
    """How much likelier neighbours on the map are to be of one group than any two images: 0 for not at all, 1 where all
    neighbours are."""
    names = np.concatenate([np.asarray(of, object) for of in groups.of])
    points, names = np.concatenate(places)[names != ""], names[names != ""]
    if len(points) <= NEIGHBOURS:
        return 0.0
    near = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(points).kneighbors(return_distance=False)
    chance = sum((count / len(names)) ** 2 for count in Counter(names).values())
    return float((names[near] == names[:, None]).mean() - chance) / max(1 - chance, 1e-9)


def colouring(groups: Groups | None, places: Sequence[Points]) -> tuple[list[list[Colour]], list[Entry]]:
    """The colour of each image of each kind, by its group or else by its kind, and a legend of the groups."""
    if groups is None:
        return [[colour] * len(some) for colour, some in zip(KINDS.values(), places, strict=True)], []
    counts = Counter(name for of in groups.of for name in of if name)
    largest = sorted(counts, key=lambda name: (-counts[name], name))[: len(PALETTE)]
    colours = dict(zip(sorted(largest), _colours(sorted(largest)), strict=True))
    found = [[colours.get(name, OTHERS) for name in of] for of in groups.of]
    others = [("others", OTHERS)] if any(OTHERS in some for some in found) else []
    names = [(_short(name), colour) for name, colour in colours.items()]
    return found, [(f"Dots, by {_short(groups.name)}:", None), *names, *others]


def _colours(names: Sequence[str]) -> list[Colour]:
    """A colour for each group: its own, where all are called after colours."""
    if not all(name in ImageColor.colormap for name in names):
        return PALETTE[: len(names)]
    known = [ImageColor.getrgb(name) for name in names]
    return [(min(red, LIGHTEST), min(green, LIGHTEST), min(blue, LIGHTEST)) for red, green, blue, *_ in known]


def _short(name: str) -> str:
    text = drawable(name)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def wrapped(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Entries of a legend in lines that are no wider than the map."""
    lines: list[list[Entry]] = []
    room = 0
    for entry in entries:
        room -= width(entry)
        if room < 0:
            lines.append([])
            room = SIDE - width(entry)
        lines[-1].append(entry)
    return lines


def width(entry: Entry) -> int:
    """Of an entry and what keeps it from the next, in pixels."""
    text, colour = entry
    return text_width(text, TEXT) + (LINE if colour is None else 2 * LINE)


def _write(draw: ImageDraw.ImageDraw, left: int, top: int, line: Sequence[Entry]) -> None:
    for text, colour in line:
        if colour:
            draw.rectangle([left, top + 5, left + 11, top + 16], fill=colour)
        draw.text((left + (16 if colour else 0), top + 2), text, INK, font(TEXT))
        left += width((text, colour))


def _draw_pictures(
    canvas: Image.Image, top: int, parts: Sequence[Part], cells: dict[tuple[int, int], tuple[int, int]], tile: int
) -> None:
    colours = list(KINDS.values())
    for (row, column), (kind, index) in cells.items():
        framed = Image.new("RGB", (tile - 1, tile - 1), colours[kind])
        inner = tile - 1 - 2 * FRAME
        framed.paste(Image.fromarray(fit_square(parts[kind].pictures[index], inner, "stretch", PAPER)), (FRAME, FRAME))
        canvas.paste(framed, (column * tile, top + row * tile))


def _draw_dots(draw: ImageDraw.ImageDraw, left: int, top: int, places: Points, colours: Sequence[Colour]) -> None:
    corners = np.array([left, top]) + (places * (PANEL - DOT)).round().astype(int)
    for (x, y), colour in zip(corners.tolist(), colours, strict=True):
        draw.rectangle([x, y, x + DOT - 1, y + DOT - 1], fill=colour)
