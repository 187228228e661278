"""What an evaluation shows of its images."""

import numpy as np
import pytest

from imagevae.dataset.labels import Labels
from imagevae.dataset.squares import in_memory
from imagevae.evaluation.latent_map import KINDS
from imagevae.evaluation.sets import Pool
from imagevae.evaluation.sheets import mapped
from imagevae.evaluation.subject import choose
from imagevae.model.vae import VAE

CLASSES = {"crimson": (205, 20, 60), "teal": (0, 128, 128)}


@pytest.mark.parametrize("labels", ["none", "folders"])
def test_dots_of_a_map_have_the_colours_of_their_classes(labels: str):
    """Of their kinds, where there are no classes."""
    known = dict(labels=labels, classes=list(CLASSES)) if labels == "folders" else {}
    model = VAE(size=8, network="vector", latent_dim=2, width=4, axis_count=2, **known)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 30, 8, 8, 3), np.uint8) // 2  # none of these colours
    names = [f"{[*CLASSES][number % 2]}/{number}.png" for number in range(30)]
    pool = Pool(*(in_memory(some, names) for some in pictures))
    drawn = mapped(choose(model, pool, Labels(labels, {}), None, 30, 0), "pca", 0)
    dots = {tuple(colour) for colour in drawn[-300:].reshape(-1, 3).tolist()}
    assert set(CLASSES.values()) & dots == (set(CLASSES.values()) if known else set())
    assert set(KINDS.values()) & dots == (set() if known else set(KINDS.values()))
