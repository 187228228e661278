"""Drawing latents for new images."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from imagevae.cli.errors import BadInput
from imagevae.model.classes import few_of
from imagevae.model.priors import STEPS, Prior

BLOCK = 256  # latents whose noise is drawn together, from a seed of its own


def draw_latents(
    prior: Prior,
    count: int,
    seed: int,
    temperature: float = 1.0,
    guidance: float = 1.0,
    steps: int = STEPS,
    label: str | None = None,
) -> Iterator[NDArray[np.float32]]:
    """Draw z from a distribution, (latent_dim,) each, one after another.

    Their noise is drawn in blocks of one size, each from a seed of its own: a larger count keeps the first ones, and
    memory does not grow with it. Of the last block, only as many become latents as are asked for.

    Args:
        temperature: of the noise that becomes z, its standard deviation.
        guidance, steps, label: see `Prior.sample`. Each class has noise of its own, so that what is drawn of several
            with one seed is independent.

    Raises:
        BadInput: the distribution knows no such class.
    """
    if label is not None and label not in prior.classes:
        known = f"known are {few_of(prior.classes)}" if prior.classes else "it knows no classes"
        raise BadInput(f"the distribution knows no class {label!r}: {known}")
    return _draw(prior, count, seed, temperature, guidance, steps, label)


def _draw(
    prior: Prior, count: int, seed: int, temperature: float, guidance: float, steps: int, label: str | None
) -> Iterator[NDArray[np.float32]]:
    of_class = [] if label is None else [1 + prior.classes.index(label)]
    for start in range(0, count, BLOCK):
        noise, asked = np.random.default_rng([seed, start // BLOCK, *of_class]), min(BLOCK, count - start)
        z = temperature * noise.standard_normal((BLOCK, prior.latent_dim), np.float32)
        choice = noise.random(BLOCK, np.float32)
        yield from prior.sample(z[:asked], choice[:asked], guidance, steps, label)
