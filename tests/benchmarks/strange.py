"""How well odd images and near-duplicates are found, beside what else one would use. Prints Markdown.

    python tests/benchmarks/strange.py robots MODEL SQUARES [--others FOLDER] [--python PYTHON]
    python tests/benchmarks/strange.py icons MODEL SQUARES [--python PYTHON]
    python tests/benchmarks/strange.py left_out MODEL SQUARES [--python PYTHON]
    python tests/benchmarks/strange.py without_class SQUARES FACTORS OUTPUT
    python tests/benchmarks/strange.py doubles MODEL ORIGINALS [--background white]

SQUARES is the folder of square images that MODEL was trained on: demo robots, or icons on white. Of the robots, usual
and odd ones are drawn anew; of the icons, a third of the held-out ones are the scale, a third usual, a third made odd.
FOLDER holds other images, which are odd among robots. `without_class` writes the demo robots that are neither blue nor
of the first body, and `left_out` looks for these, with a model that was trained on the rest. `doubles` makes
near-duplicates of ORIGINALS and looks for them.

With PYTHON, an interpreter that has peers/requirements.txt installed, a VAE of pythae is trained for --seconds, for its
reconstruction errors. `doubles` needs ImageHash, of that list. AP is the average precision where one in twenty is odd.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "stages"))
from imagevae.model.backend import start_keras  # noqa: E402

start_keras(0)
import cv2  # noqa: E402
import numpy as np  # noqa: E402
from sklearn.decomposition import PCA  # noqa: E402
from sklearn.metrics import average_precision_score, pairwise_distances_argmin_min, roc_auc_score  # noqa: E402

from imagevae.dataset.held_out import split  # noqa: E402
from imagevae.dataset.squares import Images, read_squares  # noqa: E402
from imagevae.exploring.doubles import difference, groups  # noqa: E402
from imagevae.exploring.inputs import Folder, Form, open_folder  # noqa: E402
from imagevae.exploring.strange import Reference, measure  # noqa: E402
from imagevae.exploring.writing import write_squares  # noqa: E402
from imagevae.images.codec import decode, flatten  # noqa: E402
from imagevae.images.square import resample  # noqa: E402
from imagevae.model.archive import load_model  # noqa: E402
from imagevae.model.vae import VAE  # noqa: E402
from imagevae.robot import COLOURS, LAYERS, compose, draw_part  # noqa: E402

Pictures = np.ndarray  # uint8 (n, size, size, 3)
COUNT, SEED = 250, 2  # of each kind; the parts and weights of the score were chosen with another seed, 1
ORIGINAL, SIZE = 128, 64  # sides of a robot, and of the squares
ODD = ("erased", "mirrored", "recoloured")
VISIBLE, SHARE = 32, 0.01  # levels by which a share of the pixels differs at least, where something was made odd
RARE = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["robots", "icons", "left_out", "without_class", "doubles"])
    parser.add_argument("paths", type=Path, nargs="+")
    parser.add_argument("--others", type=Path)
    parser.add_argument("--background", choices=["black", "white"], default="black")
    parser.add_argument("--python", help="interpreter for the model of pythae")
    parser.add_argument("--seconds", type=float, default=200, help="that it is trained")
    arguments = parser.parse_args()
    if arguments.what == "without_class":
        without_class(*arguments.paths)
        return
    model, place = load_model(arguments.paths[0]), arguments.paths[1]
    if arguments.what == "doubles":
        find_doubles(model, place, (255, 255, 255) if arguments.background == "white" else (0, 0, 0))
        return
    training, held_out = split(read_squares(place), model.held_out, place)
    noise = np.random.default_rng(SEED)
    if arguments.what == "icons":
        scale, usual, spare = np.array_split(held_out[noise.permutation(len(held_out))], 3)
        sets = odd_icons(usual, spare, noise)
        known = np.concatenate([training[:], scale])
    else:
        sets = odd_robots(noise) if arguments.what == "robots" else left_out_robots(noise)
        known = np.concatenate([training[:], held_out[:]])
    if arguments.others:
        form = Form(SIZE, "pad", (0, 0, 0))
        folder = open_folder(arguments.others, form)
        rows = noise.permutation(len(folder))[:COUNT].tolist()
        sets["other images"] = sets["usual"][0], np.stack([folder[row] for row in rows])
    compare(model, known, training, sets, arguments.python, arguments.seconds)


# Odd images


def square(pixels: np.ndarray) -> np.ndarray:
    return resample(pixels, SIZE, SIZE)


def jpeg(pixels: np.ndarray, quality: int = 75) -> np.ndarray:
    _, content = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1])


def robot(values: np.ndarray) -> list[np.ndarray]:
    """The layers of a robot."""
    colour, *parts = values.tolist()
    return [draw_part(COLOURS[colour], folder, parts[place], ORIGINAL) for folder, place in LAYERS]


def flat(layers: list[np.ndarray]) -> np.ndarray:
    return flatten(compose(layers), (0, 0, 0))


def odd_robot(kind: str, values: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    """A robot with one part erased, mirrored or in another colour, such that one sees it."""
    whole = robot(values)
    for place in noise.permutation(len(LAYERS)):
        changed = list(whole)
        if kind == "erased":
            del changed[place]
        elif kind == "mirrored":
            changed[place] = changed[place][:, ::-1]
        else:
            folder, part = LAYERS[place]
            other = COLOURS[(values[0] + noise.integers(1, len(COLOURS))) % len(COLOURS)]
            changed[place] = draw_part(other, folder, int(values[1 + part]), ORIGINAL)
        if visible(flat(changed), flat(whole)):
            return flat(changed)
    raise ValueError(f"no part of the robot {values} is seen to be {kind}")


def visible(one: np.ndarray, other: np.ndarray) -> bool:
    return (np.abs(one.astype(int) - other).max(axis=2) > VISIBLE).mean() > SHARE


def odd_robots(noise: np.random.Generator) -> dict[str, tuple[Pictures, Pictures]]:
    """By kind, usual robots and odd ones."""
    drawn = noise.integers(0, 10, (2 * COUNT, 1 + len(LAYERS)))
    usual = [flat(robot(values)) for values in drawn[:COUNT]]
    odd = {kind: [odd_robot(kind, values, noise) for values in drawn[COUNT:]] for kind in ODD}
    return both_ways({"usual": usual, **odd})


def odd_icons(usual: Pictures, spare: Pictures, noise: np.random.Generator) -> dict[str, tuple[Pictures, Pictures]]:
    """By kind, usual icons and odd ones; and robots on white among them."""
    odd = {kind: [made for icon in spare if (made := odd_icon(kind, icon, noise)) is not None] for kind in ODD}
    robots = [compose(robot(values)) for values in noise.integers(0, 10, (len(usual), 1 + len(LAYERS)))]
    return both_ways({"usual": list(usual), **odd}) | {
        "other images": (usual, np.stack([square(flatten(pixels, (255, 255, 255))) for pixels in robots]))
    }


def odd_icon(kind: str, icon: np.ndarray, noise: np.random.Generator) -> np.ndarray | None:
    """An icon with a square of it white or mirrored, or an area in another colour; None where nothing is seen."""
    size = len(icon)
    for _ in range(200):
        made = icon.copy()
        if kind == "recoloured":
            top, left = noise.integers(0, size, 2).tolist()
            if icon[top, left].min() > 255 - VISIBLE:  # white
                continue
            area, near = np.zeros((size + 2, size + 2), np.uint8), (12, 12, 12)
            cv2.floodFill(icon.copy(), area, (left, top), 0, near, near, 4 | cv2.FLOODFILL_MASK_ONLY | (1 << 8))
            inside = area[1:-1, 1:-1] > 0
            made[inside] = np.roll(made[inside], int(noise.integers(1, 3)), axis=1)
        else:
            side = int(noise.integers(size // 4, 3 * size // 8))
            top, left = noise.integers(4, size - side - 3, 2).tolist()
            cut = icon[top : top + side, left : left + side]
            made[top : top + side, left : left + side] = 255 if kind == "erased" else cut[:, ::-1]
        if visible(made, icon):
            return made
    return None


def both_ways(pictures: dict[str, list[np.ndarray]]) -> dict[str, tuple[Pictures, Pictures]]:
    """Usual and odd ones as they are, and all of them after JPEG."""
    plain = {kind: np.stack(list(map(square, some))) for kind, some in pictures.items()}
    compressed = {kind: np.stack([square(jpeg(pixels)) for pixels in some]) for kind, some in pictures.items()}
    found = {kind: (plain["usual"], plain[kind]) for kind in plain} | {"JPEG": (plain["usual"], compressed["usual"])}
    return found | {f"{kind}, all JPEG": (compressed["usual"], compressed[kind]) for kind in ODD}


BLUE = COLOURS.index("blue")


def without_class(squares: Path, factors: Path, output: Path) -> None:
    with factors.open(newline="") as opened:
        left_out = {row["file"] for row in csv.DictReader(opened) if row["colour"] == "blue" or row["body"] == "0"}
    images = read_squares(squares)
    some = images.subset(np.array([name not in left_out for name in images.names]))
    output.mkdir(parents=True)
    write_squares(output, zip(some.names, some, strict=True), "files", {})


def left_out_robots(noise: np.random.Generator) -> dict[str, tuple[Pictures, Pictures]]:
    usual = noise.integers(0, 10, (10 * COUNT, 1 + len(LAYERS)))
    usual = usual[(usual[:, 0] != BLUE) & (usual[:, 1] != 0)]
    blue, body = usual[COUNT : 2 * COUNT].copy(), usual[2 * COUNT : 3 * COUNT].copy()
    blue[:, 0], body[:, 1] = BLUE, 0
    drawn = {"usual": usual[:COUNT], "a colour left out": blue, "a body left out": body}
    made = {kind: np.stack([square(flat(robot(values))) for values in rows]) for kind, rows in drawn.items()}
    return {kind: (made["usual"], some) for kind, some in made.items()}


# Finding them


def compare(
    model: VAE,
    known: Pictures,
    training: Images,
    sets: dict[str, tuple[Pictures, Pictures]],
    python: str,
    seconds: float,
) -> None:
    """A table of AUROC and AP: a row for each kind of odd images, a column for each way to find them."""
    reference = Reference.of(measure(model, known))
    pieces = {id(some): some for pair in sets.values() for some in pair}
    everything = np.concatenate(list(pieces.values()))
    odd = reference.score(measure(model, everything))
    ways = {
        "ours": odd.score,
        "surprise alone": odd.parts[:, 0],
        "residue alone": odd.parts[:, 1],
        "error alone": odd.parts[:, 2],
    }
    ways |= {"distance of codes": odd.distance, **rivals(training[:], everything)}
    if python:
        ways["pythae"] = pythae_errors(python, training[:], everything, seconds)
    ends = np.cumsum([len(some) for some in pieces.values()])
    rows = {key: slice(end - len(pieces[key]), end) for key, end in zip(pieces, ends, strict=True)}
    print(f"{len(known)} images known to the model; AUROC, AP where one in twenty is odd\n")
    row("odd", "images", *ways)
    row(*["---"] * (2 + len(ways)))
    for kind, (usual, strange) in sets.items():
        if usual is not strange:
            pairs = [(scores[rows[id(usual)]], scores[rows[id(strange)]]) for scores in ways.values()]
            row(kind, f"{len(usual)}, {len(strange)}", *(quality(*pair) for pair in pairs))


def quality(usual: np.ndarray, odd: np.ndarray) -> str:
    truth, scores = np.repeat([0, 1], [len(usual), len(odd)]), np.concatenate([usual, odd])
    weights = np.where(truth, RARE / len(odd), (1 - RARE) / len(usual))
    precision = average_precision_score(truth, scores, sample_weight=weights)
    return f"{roc_auc_score(truth, scores):.3f}, {precision:.2f}"


def rivals(training: Pictures, everything: Pictures) -> dict[str, np.ndarray]:
    pixels = [images.reshape(len(images), -1).astype(np.float32) / 255 for images in (training, everything)]
    pca = PCA(64, svd_solver="randomized", random_state=0).fit(pixels[0])
    components = [pca.transform(some) for some in pixels]
    return {
        "PCA's error": np.square(pca.inverse_transform(components[1]) - pixels[1]).mean(axis=1),
        "nearest by pixels": pairwise_distances_argmin_min(pixels[1], pixels[0])[1],
        "nearest by 64 PCs": pairwise_distances_argmin_min(components[1], components[0])[1],
        "size as PNG": np.array([len(cv2.imencode(".png", image[..., ::-1])[1]) for image in everything], float),
    }


def pythae_errors(python: str, training: Pictures, everything: Pictures, seconds: float) -> np.ndarray:
    """Mean squared reconstruction errors of a VAE of pythae, see peers/pythae_models.py."""
    with tempfile.TemporaryDirectory() as name:
        squares, output = Path(name) / "images.npz", Path(name) / "found.npz"
        np.savez(squares, training=training, held_out=everything)
        command = [python, HERE / "peers" / "pythae_models.py", "VAE", squares, str(seconds), output]
        subprocess.run(command, check=True, capture_output=True)
        rebuilt = np.load(output)["rebuilt"]
    return np.square(rebuilt.astype(np.float32) - everything).mean(axis=(1, 2, 3))


# Near-duplicates


def variants(
    pixels: np.ndarray, background: tuple[int, ...], noise: np.random.Generator
) -> Iterator[tuple[str, np.ndarray]]:
    """A picture at other sizes, compressed, and shifted by some of its pixels."""
    side = len(pixels)
    for scale in (0.5, 0.75, 1.5, 2):
        yield f"{scale:g} times the size", resample(pixels, round(scale * side), round(scale * side))
    for quality_ in (50, 70, 90):
        yield f"JPEG of quality {quality_}", jpeg(pixels, quality_)
    for far in (1, 2, 3):
        down, right = [(far, 0), (0, far), (-far, far), (far, -far), (-far, 0), (0, -far)][noise.integers(6)]
        yield f"shifted by {far}", shifted(pixels, down, right, background)
    smaller = resample(pixels, round(0.75 * side), round(0.75 * side))
    yield "0.75 times, shifted by 1, JPEG 70", jpeg(shifted(smaller, 1, -1, background), 70)


def shifted(pixels: np.ndarray, down: int, right: int, background: tuple[int, ...]) -> np.ndarray:
    move = np.float32([[1, 0, right], [0, 1, down]])
    return cv2.warpAffine(pixels, move, pixels.shape[1::-1], borderValue=background)


def find_doubles(model: VAE, folder: Path, background: tuple[int, ...], made: int = 150, most: int = 2000) -> None:
    """Shares of made near-duplicates that are found in a folder with them, and pairs of its own that are called so."""
    import imagehash
    from PIL import Image

    whole = open_folder(folder, Form(model.size, "pad", background))
    originals = [original(whole, row, background) for row in range(min(most, len(whole)))]
    squares = [resample(pixels, model.size, model.size) for pixels in originals]
    noise = np.random.default_rng(SEED)
    chosen = noise.permutation(len(squares))[:made].tolist()
    kinds: dict[str, list[np.ndarray]] = {}
    for row_ in chosen:
        for kind, pixels in variants(originals[row_], background, noise):
            kinds.setdefault(kind, []).append(resample(pixels, model.size, model.size))
    hashes = {
        "pHash, 4 of 64 bits": (imagehash.phash, 4),
        "pHash, 10 bits": (imagehash.phash, 10),
        "dHash, 4 bits": (imagehash.dhash, 4),
        "dHash, 10 bits": (imagehash.dhash, 10),
    }
    bits = {
        hash_: np.stack([hash_(Image.fromarray(each)).hash.ravel() for each in squares]) for hash_, _ in hashes.values()
    }
    print(f"{len(squares)} images; share of {len(chosen)} near-duplicates of each kind that are found\n")
    row("near-duplicates", "ours", *hashes)
    row(*["---"] * (2 + len(hashes)))
    codes = measure(model, squares).codes
    for kind, some in kinds.items():
        everything = [*squares, *some]
        found = groups(np.concatenate([codes, measure(model, some).codes]), everything.__getitem__)
        pairs = {(first, second) for group in found for first in group for second in group}
        ours = np.mean([(row_, len(squares) + place) in pairs for place, row_ in enumerate(chosen)])
        theirs = []
        for hash_, limit in hashes.values():
            own = np.stack([hash_(Image.fromarray(each)).hash.ravel() for each in some])
            theirs.append(((own != bits[hash_][chosen]).sum(axis=1) <= limit).mean())
        row(kind, *(f"{share:.2f}" for share in (ours, *theirs)))
    ours = [pair for group in groups(codes, squares.__getitem__) for pair in pairs_of(group)]
    same = {pair for pair in ours if np.array_equal(squares[pair[0]], squares[pair[1]])}
    theirs = []
    for hash_, limit in hashes.values():
        distances = bits[hash_].astype(np.float32) @ (1 - bits[hash_].T.astype(np.float32))
        close = np.triu(distances + distances.T <= limit, 1)
        theirs.append(f"{close.sum() - len(same)}")
    row("pairs of others called so", f"{len(ours) - len(same)}", *theirs)
    print(f"\n{len(same)} pairs are equal to the pixel, and counted as found by all.")
    for first, second in [pair for pair in ours if pair not in same][:10]:
        print(f"{whole.names[first]} and {whole.names[second]}: {difference(squares[first], squares[second]):.2f}")


def pairs_of(group: list[int]) -> Iterator[tuple[int, int]]:
    for place, first in enumerate(group):
        yield from ((first, second) for second in islice(group, place + 1, None))


def original(folder: Folder, number: int, background: tuple[int, ...]) -> np.ndarray:
    return flatten(decode(folder.items[number].read()), background)


def row(*cells: str) -> None:
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
