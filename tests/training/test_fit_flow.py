"""Flows that are trained to latents: on what, for how long, and that those which draw copies are not kept."""

import itertools
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.lib.stride_tricks import sliding_window_view
from scipy.stats import norm

from clouds import as_latents, draws, two_clouds
from conftest import as_images
from imagevae.dataset.labels import NO_CLASSES, Classes
from imagevae.dataset.squares import Images
from imagevae.model.classes import NO_CLASS
from imagevae.model.coding import decode_in_batches
from imagevae.model.flow import CLUSTERS, FlowPrior
from imagevae.model.priors import MixturePrior, NormalPrior
from imagevae.model.vae import VAE
from imagevae.training import fit_flow as fitting
from imagevae.training.checkpoint import Checkpoint
from imagevae.training.fit_flow import (
    FLOWS,
    Kind,
    WhileNew,
    copy_test,
    fit_best_flow,
    fit_flow,
    lowest,
    mirrored_share,
    soon_of,
)
from imagevae.training.loop import Best
from imagevae.training.standardising import moments, prominence

LATENTS = 6


# What a flow is trained on


def test_moments_of_latents_count_the_spread_of_the_posterior():
    points = two_clouds(10_000)
    latents = np.stack([points, np.full_like(points, np.log(0.5))], axis=1)
    mean, deviation, noise = moments(latents)
    assert mean == pytest.approx(points.mean(axis=0), abs=1e-4)
    assert deviation == pytest.approx(np.sqrt(points.var(axis=0) + 0.25), abs=1e-3)
    assert noise == pytest.approx(0.5)


@given(arrays(np.float32, (2, 5), elements=st.floats(2**-20, 1e3, width=32)))
def test_latents_that_stand_out_from_the_noise_are_larger_to_a_flow(both: np.ndarray):
    noise, deviation = both.min(axis=0), both.max(axis=0)
    found = prominence(deviation, noise)
    assert np.square(found).mean() == pytest.approx(1, rel=1e-4)
    assert found.max() <= 10.001 * found.min()
    for one, other in itertools.permutations(range(5), 2):
        if deviation[one] * noise[other] > 1.001 * deviation[other] * noise[one]:
            assert found[one] >= found[other]


def test_how_large_a_flow_sees_latents():
    assert prominence(np.float32([1, 9]), np.float32([1, 1])) == pytest.approx(np.sqrt([0.2, 1.8]))


def smooth(count: int, seed: int) -> np.ndarray:
    """Latents on a grid of 8x8 cells, each the mean of nine independent numbers: equal where cells are neighbours."""
    noise = np.random.default_rng(seed).standard_normal((count, 10, 10)).astype(np.float32)
    return sliding_window_view(noise, (3, 3), axis=(1, 2)).mean(axis=(3, 4)).reshape(count, 64)


@pytest.mark.slow
def test_a_flow_that_knows_the_grid_learns_from_few_what_neighbours_have_in_common(tmp_path: Path):
    training, held_out, new = smooth(300, seed=0), smooth(300, seed=1), smooth(100, seed=2)

    def density(side: int) -> float:
        keras.utils.set_random_seed(0)
        best = Best(lambda logs: logs["val_loss"], Checkpoint(tmp_path / f"{side}.npz", ""))
        flow = FlowPrior(64, 32, side, blocks=1)
        return fit_flow(flow, as_latents(training)[None], as_latents(held_out), best, 150, seed=0).log_prob(new).mean()

    assert density(side=8) > density(side=0) + 1


@given(images=st.integers(1, 10**6), steps=st.integers(0, 10**6))
def test_images_are_seen_as_they_are_so_often_and_no_more_until_half_are_mirrored(images: int, steps: int):
    share = mirrored_share(images, steps)
    assert 0 <= share <= 0.5
    seen = steps * 256 / images
    assert share == 0 or seen > 300
    assert (1 - share) * seen == pytest.approx(min(seen, max(300, seen / 2)))


def test_of_the_demo_a_wide_flow_sees_no_mirrored_image_by_default_and_a_narrow_one_does():
    wide, narrow = (mirrored_share(1793, kind.longer * 1750) for kind in FLOWS)
    assert wide == 0
    assert narrow == pytest.approx(0.4, abs=0.01)
    assert mirrored_share(1793, 3 * 1750) == 0.5


@given(images=st.integers(1, 10**6), steps=st.integers(0, 10**6))
def test_a_flow_copies_too_soon_in_half_of_its_steps_while_it_has_hardly_seen_the_images(images: int, steps: int):
    share = mirrored_share(images, steps)
    soon = soon_of(images, steps, share)
    half = -(-steps // 125) // 2 * 125
    assert soon <= half
    seen = soon * (1 - share) * 256 / images
    assert soon == half or (soon >= 875 and seen == pytest.approx(max(150, seen), rel=0.001))
    assert soon <= 875 or seen < 150.1


def test_when_a_flow_of_the_demo_copies_too_soon():
    assert [soon_of(1793, each * 1750, mirrored_share(1793, each * 1750)) for each in (1, 3, 6)] == [875, 2101, 2101]


@pytest.mark.slow
def test_mirrored_latents_teach_a_flow_and_do_not_get_into_samples(tmp_path: Path):
    noise, right = np.random.default_rng(0), np.float32([1, 0])
    points, held_out = (right + noise.standard_normal((count, 2)).astype(np.float32) for count in (500, 200))
    flow = FlowPrior(2, 32, blocks=1)
    best = Best(lambda logs: logs["val_loss"], Checkpoint(tmp_path / "flow.npz", ""))
    both = np.stack([as_latents(points), as_latents(points * np.float32([-1, 1]))])
    fit_flow(flow, both, as_latents(held_out), best, 1500, seed=0, mirrored=0.5)
    assert draws(flow, 2000).mean(axis=0) == pytest.approx(right, abs=0.15)
    places = np.eye(flow.places, dtype=np.float32)
    told = np.tile(places[0] + places[-1], (2000, 1))
    start = noise.standard_normal((2000, 2)).astype(np.float32)
    assert flow.to_latents(flow.carry(start, told, 0, 1, guidance=0)).mean(axis=0) == pytest.approx(-right, abs=0.15)


# How copies are found


@pytest.fixture(scope="module")
def model() -> VAE:
    """A decoder as it is at the start, which makes a different image of each z."""
    keras.utils.set_random_seed(0)
    return VAE(size=8, network="mlp", latent_dim=LATENTS, width=48)


def normal(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, LATENTS)).astype(np.float32)


def images_of(model: VAE, z: np.ndarray) -> Images:
    return as_images(np.stack(list(decode_in_batches(model, z))))


def test_copies_are_told_from_new_images(model: VAE):
    z = normal(300, seed=0)
    copier = MixturePrior(LATENTS, len(z), "diag")
    copier.set(np.full(len(z), 1 / len(z)), z, np.zeros_like(z))
    c_t = copy_test(model, images_of(model, z), normal(200, seed=1), seed=0)
    assert c_t(copier) < -10
    assert abs(c_t(NormalPrior(LATENTS))) < 3


class CopierOfAClass(NormalPrior):
    """Draws copies of training images where it is asked for the class `few`, and otherwise new images."""

    classes = ("many", "few")

    def __init__(self, known: np.ndarray):
        super().__init__(LATENTS)
        self.known = known

    def sample(
        self, noise: np.ndarray, choice: np.ndarray, guidance: float = 1, steps: int = 1, label: str | None = None
    ) -> np.ndarray:
        return self.known[(choice * len(self.known)).astype(int)] if label == "few" else noise


def test_copies_of_one_class_alone_are_found(model: VAE):
    z, held_out = normal(300, seed=0), normal(200, seed=1)
    few = np.arange(200) % 20 == 0
    classes = Classes(["many", "few"], np.zeros(300, int), few.astype(int))
    hidden, found = (copy_test(model, images_of(model, z), held_out, 0, each) for each in (NO_CLASSES, classes))
    copier = CopierOfAClass(z)
    assert abs(hidden(copier)) < 3
    assert found(copier) < -3
    assert abs(found(CopierOfAClass(normal(300, seed=2)))) < 3
    nobody = classes._replace(held_out=np.full(200, NO_CLASS))
    assert copy_test(model, images_of(model, z), held_out, 0, nobody)(copier) == hidden(copier)


@given(count=st.integers(1, 1000), score=st.floats(-20, 5))
def test_the_lowest_of_many_scores_counts_as_much_as_chance_makes_it_so_low(count: int, score: float):
    assert lowest([score]) == pytest.approx([score])
    [found] = lowest([score, *[10.0] * (count - 1)])
    assert norm.cdf(found) == pytest.approx(-np.expm1(count * norm.logsf(score)))
    assert lowest([]) == []


# When a training ends, and what is kept

NEVER = 9


@pytest.mark.parametrize(
    ("needed", "guided_from", "epochs", "kept", "guidance"),
    [
        ([1, 1, 1, 1], 2, 4, 4, 1),  # no copies
        ([1, 1, 1.5, 1], 2, 4, 4, 1.5),  # from some epoch on unless guided more: so much from then on
        ([1, 1, 1.5, 2], 2, 4, 4, 2),
        ([1.5, 1, 2, 1], 0, 4, 4, 2),
        ([1, 1, NEVER, 1], 2, 3, 2, 1),  # whatever the guidance: the weights before
        ([1, 1, 1.5, NEVER], 2, 4, 3, 1.5),
        ([1, 1.5, 1, 1], 2, 2, 1, 1),  # before it may be guided
        ([NEVER, 1, 1, 1], 0, 1, 1, 2),  # from the start: the first weights
    ],
)
def test_the_last_weights_without_copies_are_kept(
    needed: list[float], guided_from: int, epochs: int, kept: int, guidance: float, tmp_path: Path
):
    """Args:
    needed: the guidance without which samples are copies, after each epoch.
    epochs, kept: after how many the training ends, and which one's weights remain.
    """
    flow = FlowPrior(2, 8, blocks=1)
    flow.compile(keras.optimizers.Adam(use_ema=True))
    flow.optimizer.build(flow.trainable_variables)

    def c_t() -> float:
        return 1 if flow.strength >= needed[int(flow.shift[0]) - 1] else -4

    best = WhileNew(Checkpoint(tmp_path / "flow.npz", ""), c_t, guided_from)
    best.set_model(flow)
    for epoch in range(4):
        flow.shift.assign(np.full(2, epoch + 1))  # stands for what is learned
        best.on_epoch_end(epoch, {"loss": 1.0, "val_loss": 1.0})
        if flow.stop_training:
            break
    assert epoch + 1 == epochs
    best.apply(flow)
    assert (float(flow.shift[0]), float(flow.strength)) == (kept, guidance)


def latents(count: int, seed: int) -> np.ndarray:
    """z_mean and z_log_sigma of so many images, enough latents for clusters."""
    z = np.random.default_rng(seed).standard_normal((count, 40)).astype(np.float32)
    return np.stack([z, np.full_like(z, -3)], axis=1)


@pytest.mark.slow
def test_a_flow_that_copies_too_soon_gives_way_to_a_narrow_one_and_a_cut_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    """The weights are those after the third of its four epochs, and a training that is cut off in the second ends with
    them too."""
    monkeypatch.setattr(fitting, "STEPS_AN_EPOCH", 3)
    monkeypatch.setattr(fitting, "FLOWS", (Kind(24, CLUSTERS, 1), Kind(16, 1, 1)))
    monkeypatch.setattr(fitting, "FlowPrior", partial(FlowPrior, blocks=1))
    needed = {24: [1, 1.5], 16: [1.5, 1, 2, NEVER]}  # the guidance without which samples are copies
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
            return 1 if flow.strength >= needed[width][epoch - 1] else -4

        sets = latents(200, seed=0)[None], latents(50, seed=1)
        return fit_best_flow(*sets, lambda name: Checkpoint(home / name, ""), test, 12, seed=0)

    flow = fitted(tmp_path / "whole")
    assert (flow.settings["width"], float(flow.strength)) == (16, 2)
    said = capsys.readouterr().err
    assert "copies training images after 50% of its steps" in said
    assert "a narrower one, without clusters, takes its place" in said
    assert "samples are guided 2.0 times as much" in said
    assert [which for which, _ in tested] == [(24, 1), (24, 2), (16, 1), (16, 1), (16, 2), (16, 3), (16, 3), (16, 4)]
    kept = next(weights for which, weights in reversed(tested) if which == (16, 3))
    assert all(np.array_equal(a, b) for a, b in zip(flow.get_weights(), kept, strict=True))
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "cut", cut_after=4)
    again = fitted(tmp_path / "cut")
    assert all(np.array_equal(a, b) for a, b in zip(again.get_weights(), kept, strict=True))


def test_a_wide_flow_that_copies_late_is_kept_however_long_it_was_to_be_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setattr(fitting, "STEPS_AN_EPOCH", 3)
    monkeypatch.setattr(fitting, "SOON", 6)
    monkeypatch.setattr(fitting, "KNOWN", 0)
    monkeypatch.setattr(fitting, "FLOWS", (Kind(24, CLUSTERS, 1), Kind(16, 1, 1)))
    monkeypatch.setattr(fitting, "FlowPrior", partial(FlowPrior, blocks=1))
    sets = latents(200, seed=0)[None], latents(50, seed=1)

    def test(flow: FlowPrior) -> float:
        return 1 if int(flow.optimizer.iterations) < 9 else -4

    flow = fit_best_flow(*sets, lambda name: Checkpoint(tmp_path / name, ""), test, 30, seed=0)
    assert flow.settings["width"] == 24
    assert (
        "copies training images after 30% of its steps (C_T -4.0); the weights before are kept"
        in capsys.readouterr().err
    )


@pytest.mark.slow
def test_a_flow_of_few_images_says_that_it_copies_them(
    model: VAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    monkeypatch.setattr(fitting, "FlowPrior", partial(FlowPrior, blocks=1))
    few, held_out = normal(20, seed=0), normal(300, seed=1)
    c_t = copy_test(model, images_of(model, few), held_out, seed=0)
    sets = as_latents(few)[None], as_latents(held_out)
    fit_best_flow(*sets, lambda name: Checkpoint(tmp_path / name, ""), c_t, 125, seed=0)
    said = capsys.readouterr().err
    assert "copies training images after 50% of its steps" in said
    assert "warning: samples will be copies of training images" in said
