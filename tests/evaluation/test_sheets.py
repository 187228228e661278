"""What an evaluation shows of its images."""

import numpy as np
import pytest

from conftest import as_images
from imagevae.evaluation.by_class import Kinds
from imagevae.evaluation.latent_map import KINDS
from imagevae.evaluation.sections import Sets, derive
from imagevae.evaluation.sheets import mapped
from imagevae.model.vae import VAE

CLASSES = {"crimson": (205, 20, 60), "teal": (0, 128, 128)}


@pytest.mark.parametrize("labels", ["none", "folders"])
def test_dots_of_a_map_have_the_colours_of_their_classes(labels: str):
    """Of their kinds, where there are no classes."""
    known = dict(labels=labels, classes=list(CLASSES)) if labels == "folders" else {}
    model = VAE(size=8, network="vector", latent_dim=2, width=4, axis_count=2, **known)
    pictures = np.random.default_rng(0).integers(0, 256, (4, 30, 8, 8, 3), np.uint8) // 2  # none of these colours
    sets = Sets(as_images(pictures[0]), *pictures[1:])
    kinds = Kinds(*([np.arange(30) % 2 if known else np.full(30, -1)] * 3))
    drawn = mapped(model, sets, derive(model, sets), None, kinds, (30, 30, 30), "pca", 0)
    dots = {tuple(colour) for colour in drawn[-300:].reshape(-1, 3).tolist()}
    assert set(CLASSES.values()) & dots == (set(CLASSES.values()) if known else set())
    assert set(KINDS.values()) & dots == (set() if known else set(KINDS.values()))
