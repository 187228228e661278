"""All that is known about a run, gathered from the outputs of its stages."""

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median_low
from typing import Any

from imagevae.cli.errors import BadInput
from imagevae.images.manifest import MANIFEST, Head, read_head, read_rows
from imagevae.model.classes import few_of
from imagevae.report.tables import pixels

CLASSES = 100  # that are named, at most
MOST = 1e100  # of numbers in a chart

Curves = dict[str, dict[str, list[tuple[float, float]]]]


@dataclass(frozen=True)
class Data:
    """The images of a run.

    Attributes:
        counts: number of images by role, such as `training` and `held_out`.
        sizes: smallest, median and largest width and height of the originals, in pixels; or None if unknown.
        rejected: names of images that could not be used, each with its reason.
        classes: number of training images by class; none where images have no labels.
    """

    counts: dict[str, int]
    sizes: tuple[tuple[int, int], ...] | None
    rejected: dict[str, str]
    classes: dict[str, int] = field(default_factory=dict)

    @property
    def classes_in_words(self) -> str:
        """The classes, with the number of training images of each; nothing where there are none."""
        return few_of([f"{name} ({count:,})" for name, count in self.classes.items()], CLASSES)


@dataclass(frozen=True)
class Record:
    """All that the report and the model card show.

    Attributes:
        size: width and height of the images, in pixels.
        metrics: as the evaluation wrote them: headlines, then sections.
        data: the images.
        parameters: by section, by name.
        curves: by term, by "train" or "held_out", (epoch, value) each.
        units: mean KL divergence of each latent from the prior, the largest first, nats per image; empty if unknown.
        pictures: by name, bytes of PNG files.
    """

    size: int
    metrics: dict[str, Any]
    data: Data
    parameters: dict[str, dict[str, object]]
    curves: Curves
    units: list[float]
    pictures: dict[str, bytes]

    @property
    def lead(self) -> str:
        """What the model is, in a sentence."""
        counts, latents = self.data.counts, self.parameters["model"]["latent_dim"]
        return (
            f"A model of {pixels(self.size, self.size)} images with {latents} latents, "
            f"trained on {counts['training']:,} images and evaluated on {counts['held_out']:,} unseen ones."
        )


def read_record(
    settings: Mapping[str, Any],
    evaluation: Mapping[str, object],
    counts: Mapping[str, int],
    classes: Mapping[str, int],
    metrics: Path,
    images: Path,
    samples: Path,
    originals: Path | None,
    curves: Path | None,
    folders: Sequence[Path],
) -> Record:
    """Gather all that is known about a run.

    Args:
        settings: of the model and, in `training`, of its training.
        evaluation: parameters of the evaluation.
        counts: number of images by role.
        classes: number of training images by class.
        metrics: JSON file of the metrics.
        images, samples: folders; if they hold shards, their manifests say how these were made.
        originals: manifest of the original images, or None.
        curves: folder of DVCLive's curves, or None.
        folders: of PNG files, and of kl_per_unit.tsv; of two of the same name, the later one is shown.

    Raises:
        BadInput: a damaged manifest, or no curves in their folder.
        OSError: a file can't be read.
    """
    heads = {name: _head(folder / MANIFEST) for name, folder in (("resize", images), ("sample", samples))}
    first = read_head(originals) if originals else None
    training = settings.get("training") or {}
    model = {name: value for name, value in settings.items() if name not in ("training", "classes")}
    made = {name: _recipe(head) for name, head in heads.items()}
    parameters = {
        "rgba2rgb": _recipe(first),
        "resize": made["resize"],
        "model": model,
        "train": training,
        "sample": made["sample"],
        "evaluate": dict(evaluation),
    }
    return Record(
        settings["size"],
        json.loads(metrics.read_text()),
        _data(counts, classes, originals or images / MANIFEST, [head for head in (first, heads["resize"]) if head]),
        {name: section for name, section in parameters.items() if section},
        read_curves(curves) if curves else {},
        [unit for folder in folders for unit in _units(folder / "kl_per_unit.tsv")],
        {file.stem: file.read_bytes() for folder in folders for file in sorted(folder.glob("*.png"))},
    )


def _head(file: Path) -> Head | None:
    return read_head(file) if file.is_file() else None


def _recipe(head: Head | None) -> dict[str, object]:
    recipe = head.recipe if head else {}
    return {name: value for name, value in recipe.items() if name != "code"}


def _data(counts: Mapping[str, int], classes: Mapping[str, int], manifest: Path, heads: list[Head]) -> Data:
    sides = list(zip(*((row.width, row.height) for row in read_rows(manifest)), strict=True)) if heads else []
    sizes = tuple((of(sides[0]), of(sides[1])) for of in (min, median_low, max)) if sides else None
    rejected = {name: reason for head in heads for name, (_, reason) in head.rejected.items()}
    return Data(dict(counts), sizes, dict(sorted(rejected.items())), dict(classes))


def _units(file: Path) -> list[float]:
    if not file.is_file():
        return []
    with (
        _table_of(file, "a table of KL divergences such as stages/evaluate.py writes"),
        file.open(newline="") as opened,
    ):
        return [_moderate(row["kl"]) for row in csv.DictReader(opened, delimiter="\t")]


@contextmanager
def _table_of(file: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, LookupError, TypeError, csv.Error):
        raise BadInput(f"{file}: not {what}") from None


def _moderate(text: str) -> float:
    """A finite number that a chart has room for."""
    number = float(text)
    if not abs(number) < MOST:
        raise ValueError(text)
    return number


def read_curves(folder: Path) -> Curves:
    """The tables that DVCLive writes: `train/loss.tsv` is the term `loss` of `train`.

    Raises:
        BadInput: there are none, or one is damaged.
    """
    curves: Curves = {}
    for file in sorted(folder.rglob("*.tsv")):
        what = "a table of step and value such as stages/train.py writes"
        with _table_of(file, what), file.open(newline="") as opened:
            rows = csv.reader(opened, delimiter="\t")
            next(rows, None)
            points = [(_moderate(step), float(value)) for step, value in rows]
            points = [(step, value if abs(value) < MOST else math.nan) for step, value in points]
        kind = "" if file.parent == folder else file.parent.name
        curves.setdefault(file.stem, {})[kind] = points
    if not curves:
        raise BadInput(f"{folder}: no curves in it; expected the folder plots/metrics that stages/train.py writes")
    return curves
