"""What the settings and weights of a model may be: one line for each, to look through files that others made."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from keras import ops
from numpy.typing import NDArray

from imagevae.model.axes import AXES
from imagevae.model.classes import LABELS, MOST_BYTES, MOST_CLASSES, NO_CLASS, are_classes
from imagevae.model.networks import NETWORKS
from imagevae.model.vae import VAE

PRIORS = ("normal", "mixture", "flow")


class Unfit(Exception):
    """What is no model of ours, and why."""


class Rule(NamedTuple):
    """What a setting may be, in words that follow "must be", and a test of it."""

    words: str
    holds: Callable[[Any], bool]


def whole(low: int, high: int) -> Rule:
    return Rule(f"a whole number from {low} to {high}", lambda value: type(value) is int and low <= value <= high)


def real(low: float, high: float) -> Rule:
    return Rule(f"a number from {low:g} to {high:g}", lambda value: _is_number(value) and low <= value <= high)


def one_of(names: Collection[str]) -> Rule:
    return Rule(f"one of {', '.join(names)}", lambda value: type(value) is str and value in names)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _are_densities(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() <= set(PRIORS)
        and all(_is_number(density) and abs(density) < 1e300 for density in value.values())
    )


def _are_parameters(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= 100
        and all(
            type(each) in (bool, int, float, str) and len(name) + len(str(each)) <= 200 for name, each in value.items()
        )
    )


RULES: dict[str, Rule] = {
    "size": whole(1, 4096),
    "network": one_of(NETWORKS),
    "latent_dim": whole(1, 65536),
    "width": whole(1, 512),
    "kl_weight": real(0, 1e6),
    "texture_weight": real(0, 1e6),
    "held_out": real(0, 1),
    "seed": whole(0, 2**32 - 1),
    "labels": one_of(LABELS),
    "classes": Rule(
        f"{MOST_CLASSES:,} names at most, no two alike, each of {MOST_BYTES} bytes of printable text at most",
        are_classes,
    ),
    "sampler": one_of(PRIORS),
    "densities": Rule(f"numbers by the names {', '.join(PRIORS)}", _are_densities),
    "flow_width": whole(1, 8192),
    "components": whole(1, 1024),
    "covariance": one_of(("diag", "full")),
    "axis_count": whole(1, AXES),
    "training": Rule("parameters by name, 100 at most, each a number or a word", _are_parameters),
}


BEFORE = {"labels": "none", "classes": []}  # what models that were saved without these settings had


def check_settings(settings: Mapping[str, Any]) -> None:
    """Look whether settings are those of a model, before anything is built of them.

    Raises:
        Unfit: one is missing, unknown or out of its range; it names that and says what would be right.
    """
    if odd := sorted(RULES.keys() ^ settings.keys()):
        raise Unfit(f"{odd[0][:50]!r} is {'missing' if odd[0] in RULES else 'unknown'} among its settings")
    for name, rule in RULES.items():
        if not rule.holds(settings[name]):
            raise Unfit(f"its {name} is {str(settings[name])[:50]!r}, but must be {rule.words}")
    if settings["sampler"] != "normal" and settings["sampler"] not in settings["densities"]:
        raise Unfit(f"its sampler is {settings['sampler']}, which has no entry in its densities")
    if (settings["labels"] == "none") != (not settings["classes"]):
        raise Unfit(f"its labels are {settings['labels']!r}, but it has {len(settings['classes'])} classes")


def _are_shares(shares: NDArray) -> bool:
    return bool((shares >= 0).all() and shares.sum() > 0)


def _are_positive(values: NDArray) -> bool:
    return bool((values > 0).all())


def _are_factors(factors: NDArray) -> bool:
    """Standard deviations (k, d), or lower triangular matrices (k, d, d)."""
    if factors.ndim == 2:
        return _are_positive(factors)
    return _are_positive(np.diagonal(factors, axis1=1, axis2=2)) and not np.triu(factors, 1).any()


def check_weights(model: VAE) -> None:
    """Look whether weights are finite, and shares, scales and deviations such as can be computed with.

    Raises:
        Unfit: they are not; it names them.
    """
    for weight in model.weights:
        if not np.isfinite(ops.convert_to_numpy(weight)).all():
            raise Unfit(f"weights of {weight.path} are infinite or no numbers")
    for name, weight, holds in (
        ("the scale of the decoder", model.scale, _are_positive),
        ("the scale of the flow", model.flow.scale, _are_positive),
        ("the shares of the flow's clusters", model.flow.shares, _are_shares),
        ("the shares of the mixture", model.mixture.shares, _are_shares),
        ("the factors of the mixture", model.mixture.factors, _are_factors),
        ("the scale of the axes", model.axes.scale, _are_positive),
    ):
        if not holds(ops.convert_to_numpy(weight)):
            raise Unfit(f"{name} can't be negative or 0")
    if model.classes and model.has_flow:
        shares, owners = (ops.convert_to_numpy(weight) for weight in (model.flow.shares, model.flow.owners))
        if set(owners[shares > 0]) - {NO_CLASS} != set(range(len(model.classes))):
            raise Unfit("the clusters of its flow are not those of its classes")
