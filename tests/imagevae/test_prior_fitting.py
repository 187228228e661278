"""Distributions that draw copies of training images are told from those that draw new ones, and are not kept."""

from pathlib import Path

import keras
import numpy as np
import pytest

from conftest import as_images
from imagevae.checkpoint import Checkpoint
from imagevae.decoding import decode_in_batches
from imagevae.prior import MixturePrior, NormalPrior
from imagevae.prior_fitting import FLOWS, Encoded, c_t, fit_best_flow
from imagevae.vae import VAE

LATENTS = 6


@pytest.fixture(scope="module")
def model() -> VAE:
    """A decoder as it is at the start, which makes a different image of each z."""
    keras.utils.set_random_seed(0)
    return VAE(8, LATENTS, network="mlp")


def normal(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, LATENTS)).astype(np.float32)


def encoded(model: VAE, z: np.ndarray) -> Encoded:
    """Images of z, which the posterior is sure of."""
    images = as_images(np.stack(list(decode_in_batches(model, z))))
    return Encoded(images, np.stack([z, np.full_like(z, -6)], axis=1))


def test_copies_are_told_from_new_images(model: VAE):
    z = normal(300, seed=0)
    training = encoded(model, z).images
    copier = MixturePrior(LATENTS, len(z), "diag")
    copier.set(np.full(len(z), 1 / len(z)), z, np.zeros_like(z))
    unseen = normal(200, seed=1)
    assert c_t(model, copier, training, unseen, seed=0) < -10
    assert abs(c_t(model, NormalPrior(LATENTS), training, unseen, seed=0)) < 3


@pytest.mark.slow
def test_a_wide_flow_that_copies_gives_way(model: VAE, tmp_path: Path, capsys: pytest.CaptureFixture):
    """Twenty images are learned by heart, a few thousand are not."""

    def width(training: int, steps: int) -> int:
        sets = encoded(model, normal(training, seed=0)), encoded(model, normal(300, seed=1))
        made = fit_best_flow(model, *sets, lambda name: Checkpoint(tmp_path / f"{training}-{name}", ""), steps, seed=0)
        return made.settings["width"]

    assert width(3000, steps=100) == FLOWS[0][0]
    assert "copies" not in capsys.readouterr().err
    assert width(20, steps=200) == FLOWS[-1][0]
    assert "draws copies of training images" in capsys.readouterr().err
