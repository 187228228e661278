"""The estimates of an evaluation as JSON: a few headlines as plain numbers first, then all with their intervals."""

import json
import math
from collections.abc import Mapping
from typing import Any

from imagevae.evaluation.intervals import Estimate
from imagevae.model.classes import ALL

# The headlines, each with the place of its estimate among the sections.
HEADLINES = {
    "bits_per_dimension": ("likelihood", "held_out", "elbo_bits_per_dimension"),
    "bits_per_dimension_sampler": ("likelihood", "sampler", "elbo_bits_per_dimension"),
    "elbo": ("likelihood", "held_out", "elbo"),
    "kl": ("likelihood", "held_out", "kl"),
    "psnr": ("reconstruction", "model", "psnr"),
    "ssim": ("reconstruction", "model", "ssim"),
    "precision": ("random_features", "precision", "samples"),
    "recall": ("random_features", "recall", "samples"),
    "density": ("random_features", "density", "samples"),
    "coverage": ("random_features", "coverage", "samples"),
    "memorised": ("memorisation", "memorised", "samples"),
    "active_units": ("latents", "model", "active_units"),
    "kid_midpoints": ("between", "kid_random", "midpoints"),
    "path_length": ("between", "path_length", "midpoints"),
    "code_variance": ("code", "code_variance", "code"),
    "probe_accuracy": ("code", "probe_accuracy", "code"),
    "mig": ("code", "mig", "code"),
    "class_accuracy": ("classes", "class_accuracy", ALL, "samples"),
    "kid_classes": ("classes", "kid_classes", ALL, "samples"),
}
COMPARISON = "_features"  # ends the name of a section that compares samples by a network's features


def headlines(sections: Mapping[str, Any]) -> dict[str, Any]:
    """The estimates of HEADLINES that there are, and the distances fd and kid by the features of each network."""
    places = dict(HEADLINES)
    for section in sections:
        if section.endswith(COMPARISON):
            name = section.removesuffix(COMPARISON)
            places |= {f"{metric}_{name}": (section, metric, "samples") for metric in ("fd", "kid")}
    found = {name: _at(sections, place) for name, place in places.items()}
    return {name: estimate for name, estimate in found.items() if estimate}


def _at(sections: Mapping[str, Any], place: tuple[str, ...]) -> Any:
    entry: Any = sections
    for step in place:
        entry = entry.get(step, {})
    return entry


def summary(headlines: Mapping[str, Estimate], sections: Mapping[str, Any]) -> bytes:
    """JSON of the values of the headlines, and of all sections.

    DVC shows metrics in the order of the alphabet; the name `with_intervals` keeps the sections below the headlines
    there too. Numbers have five digits; an end of an interval that is unknown, as from a single image, is null.
    """
    numbers = {name: _rounded(estimate.value) for name, estimate in headlines.items()}
    return (json.dumps({**numbers, "with_intervals": _plain(sections)}, indent=2) + "\n").encode()


def _plain(entry: Any) -> Any:
    if isinstance(entry, Estimate):
        return _plain(entry._asdict())
    if isinstance(entry, Mapping):
        return {name: _plain(value) for name, value in entry.items()}
    return _rounded(entry) if isinstance(entry, float) else entry


def _rounded(number: float) -> float | None:
    return float(f"{number:.5g}") if math.isfinite(number) else None
