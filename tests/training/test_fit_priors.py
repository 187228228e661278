"""Distributions that draw copies of training images are told from those that draw new ones, and are not kept."""

from pathlib import Path

import keras
import numpy as np
import pytest

from conftest import as_images
from imagevae.model.coding import decode_in_batches
from imagevae.model.flow import CLUSTERS, FlowPrior
from imagevae.model.priors import MixturePrior, NormalPrior
from imagevae.model.vae import VAE
from imagevae.training.checkpoint import Checkpoint
from imagevae.training.fit_flow import copy_test, fit_best_flow
from imagevae.training.fit_priors import Encoded
from imagevae.training.fit_priors import fit_priors as prior_fitting

LATENTS = 6


@pytest.fixture(scope="module")
def model() -> VAE:
    """A decoder as it is at the start, which makes a different image of each z."""
    keras.utils.set_random_seed(0)
    return VAE(size=8, network="mlp", latent_dim=LATENTS, width=16)


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
    c_t = copy_test(model, training, normal(200, seed=1), seed=0)
    assert c_t(copier) < -10
    assert abs(c_t(NormalPrior(LATENTS))) < 3


def latents(count: int, seed: int) -> np.ndarray:
    """z_mean and z_log_sigma of so many images, enough latents for clusters."""
    z = np.random.default_rng(seed).standard_normal((count, 40)).astype(np.float32)
    return np.stack([z, np.full_like(z, -3)], axis=1)


NEVER = 9


@pytest.mark.parametrize(
    ("wide", "narrow", "kept", "guidance"),
    [
        ([1, 1, 1, 1], [], (24, 4), 1),  # no copies
        ([1, 1, 1.5, 1], [], (24, 4), 1.5),  # in the last half, unless guided more: so much from then on
        ([1, 1, 1.5, 2], [], (24, 4), 2),
        ([1, 1, NEVER], [], (24, 2), 1),  # in the last half, whatever the guidance: the weights before
        ([1, 1, 1.5, NEVER], [], (24, 3), 1.5),
        ([1, 1.5], [1, 1, 1, 1], (16, 4), 1),  # in the first half: another flow
        ([1, 1.5], [1.5, 1, 2, NEVER], (16, 3), 2),
        ([NEVER], [NEVER], (16, 1), 2),  # from the start, whatever is done
    ],
)
def test_a_flow_is_trained_until_it_copies(
    wide: list[float],
    narrow: list[float],
    kept: tuple[int, int],
    guidance: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """The weights are those after so many of its four epochs, and a training that was cut off after half of the tests
    ends with them too.

    Args:
        wide, narrow: the guidance without which samples are copies, after each epoch of a flow.
        kept: width of the flow, and epochs.
    """
    monkeypatch.setattr(prior_fitting, "STEPS_AN_EPOCH", 3)
    monkeypatch.setattr(prior_fitting, "FLOWS", ((24, CLUSTERS), (16, 1)))
    tested: list[tuple[tuple[int, int], list[np.ndarray]]] = []

    def fitted(home: Path, cut_after: float = np.inf) -> FlowPrior:
        keras.utils.clear_session()  # as in stages/train.py: last digits depend on the names of layers

        def test(flow: FlowPrior) -> float:
            nonlocal cut_after
            cut_after -= 1
            if cut_after < 0:
                raise KeyboardInterrupt
            width, epoch = flow.settings["width"], int(flow.optimizer.iterations) // 3
            tested.append(((width, epoch), flow.get_weights()))
            return 1 if flow.strength >= {24: wide, 16: narrow}[width][epoch - 1] else -4

        sets = latents(200, seed=0), latents(50, seed=1)
        return fit_best_flow(*sets, lambda name: Checkpoint(home / name, ""), test, 12, seed=0)

    flow = fitted(tmp_path / "whole")
    whole, tests = flow.get_weights(), len(tested)
    expected = [weights for which, weights in tested if which == kept][-1]
    assert all(np.array_equal(a, b) for a, b in zip(whole, expected, strict=True))
    assert flow.settings["width"] == kept[0]
    assert flow.strength == guidance
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "cut", cut_after=tests // 2)
    again = fitted(tmp_path / "cut").get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(whole, again, strict=True))


def test_a_flow_of_few_images_says_that_it_copies_them(model: VAE, tmp_path: Path, capsys: pytest.CaptureFixture):
    few, held_out = encoded(model, normal(20, seed=0)), encoded(model, normal(300, seed=1))
    c_t = copy_test(model, few.images, held_out.latents[:, 0], seed=0)
    fit_best_flow(few.latents, held_out.latents, lambda name: Checkpoint(tmp_path / name, ""), c_t, 125, seed=0)
    assert "copies of training images" in capsys.readouterr().err
