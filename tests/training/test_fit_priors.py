"""Distributions fitted to the latents of a trained model: the best mixture, the best of all, and what is reported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from clouds import two_clouds
from conftest import as_images
from imagevae.model.axes import Axes
from imagevae.model.coding import encode
from imagevae.model.flow import FlowPrior
from imagevae.model.priors import MixturePrior
from imagevae.model.vae import VAE
from imagevae.training.fit_priors import (
    Fitted,
    encode_all,
    fit_mixture,
    posterior,
    report_densities,
    with_priors,
)


def test_the_mixture_that_is_chosen_is_the_one_held_out_points_are_likeliest_under():
    training, judges = two_clouds(2000), two_clouds(500, seed=1)
    chosen = fit_mixture(training, judges, seed=0)
    assert chosen.settings["components"] > 1
    for components in (1, 4, 16):
        for covariance in ("diag", "full"):
            other = GaussianMixture(components, covariance_type=covariance, reg_covar=1e-4, random_state=0)
            assert chosen.log_prob(judges).mean() >= other.fit(training).score(judges) - 1e-4


def test_few_latents_get_a_simple_mixture():
    few = np.random.default_rng(0).standard_normal((5, 40)).astype(np.float32)
    chosen = fit_mixture(few, few, seed=0)
    assert (chosen.settings["components"], chosen.settings["covariance"]) == (1, "diag")


def test_latents_of_all_images_lie_in_a_file(tmp_path: Path):
    model = VAE(size=8, network="mlp", latent_dim=2, width=4)
    images = as_images(np.random.default_rng(0).integers(0, 256, (70, 8, 8, 3), np.uint8))
    pictures = images[:]
    for mirrored, expected in ((False, [pictures]), (True, [pictures, pictures[:, :, ::-1]])):
        found = encode_all(model, images, tmp_path / "new" / "latents.npy", mirrored)
        assert len(found) == len(expected)
        for latents, way in zip(found, expected, strict=True):
            assert np.array_equal(posterior(latents), encode(model, way))
        assert np.array_equal(np.load(tmp_path / "new" / "latents.npy"), found)


def fitted(flow: FlowPrior | None, /, **scores: float) -> Fitted:
    mixture = MixturePrior(2, 3, "full")
    mixture.set(np.full(3, 1 / 3), np.arange(6).reshape(3, 2), np.tile(np.eye(2), (3, 1, 1)))
    return Fitted(flow, mixture, scores, Axes(2, 1), active=2)


def test_the_best_is_the_flow_or_else_what_held_out_latents_are_likeliest_under():
    assert fitted(FlowPrior(2, 8, blocks=1), normal=-1.0, mixture=-2.0, flow=-3.0).best == "flow"
    assert fitted(None, normal=-1.0, mixture=-2.0).best == "normal"
    assert fitted(None, normal=-2.0, mixture=-1.0).best == "mixture"


def test_a_model_with_fitted_distributions_has_them_and_its_own_weights():
    model = VAE(size=8, network="mlp", latent_dim=2, width=4, seed=5)
    model.scale.assign(0.25)
    flow = FlowPrior(2, 16, seed=9)
    found = fitted(flow, normal=-3.0, mixture=-2.0, flow=-1.0)
    whole = with_priors(model, found)
    assert (whole.settings["sampler"], whole.settings["densities"]) == ("flow", found.scores)
    assert float(whole.scale) == 0.25
    pairs = ((whole.encoder, model.encoder), (whole.decoder, model.decoder), (whole.flow, flow))
    for part, taken in (*pairs, (whole.mixture, found.mixture)):
        assert all(np.array_equal(a, b) for a, b in zip(part.get_weights(), taken.get_weights(), strict=True))
    assert with_priors(model, fitted(None, normal=-3.0, mixture=-2.0)).settings["sampler"] == "mixture"


@pytest.mark.parametrize(("active", "warned"), [(0, True), (1, True), (2, False)])
def test_latents_that_hold_next_to_nothing_of_the_images_are_warned_of(
    active: int, warned: bool, capsys: pytest.CaptureFixture
):
    found = fitted(None, normal=-3.0, mixture=-2.0)
    report_densities(replace(found, mixture=MixturePrior(20, 1, "diag"), active=active))
    said = capsys.readouterr().err
    assert "nats: normal -3.0, mixture -2.0; samples come from mixture" in said
    assert (f"warning: {active} of 20 latent units are active" in said) == warned
