"""Steps of kernels are orthogonal and as long as Adam's, those of all else are Adam's; learning rates rise and fall."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from imagevae.training.optimizer import Muon, RiseAndFall, orthogonal


@given(
    rows=st.integers(1, 60),
    columns=st.integers(1, 60),
    decay=st.floats(0, 6),
    scale=st.floats(-12, 12),
    seed=st.integers(0, 100),
)
@settings(max_examples=100, deadline=None)
def test_singular_values_become_about_1_and_directions_stay(
    rows: int, columns: int, decay: float, scale: float, seed: int
):
    noise, rank = np.random.default_rng(seed), min(rows, columns)
    left, right = (np.linalg.qr(noise.standard_normal((side, rank)))[0] for side in (rows, columns))
    singular = np.exp(-decay * np.linspace(0, 1, rank))
    made = ops.convert_to_numpy(orthogonal(ops.array((left * singular) @ right.T * 10**scale, "float32")))
    assert made.shape == (rows, columns)
    turned = left.T @ made @ right  # diagonal where the directions are the same
    assert np.abs(turned - np.diag(np.diag(turned))).max() < 0.02
    assert np.abs(left @ turned @ right.T - made).max() < 0.02
    there = singular > 2e-3 * np.linalg.norm(singular)
    assert np.all((np.diag(turned)[there] > 0.65) & (np.diag(turned)[there] < 1.25))


def stepped(optimizer: keras.optimizers.Optimizer, shape: tuple[int, ...], steps: int, seed: int = 0) -> np.ndarray:
    """A variable of zeros after some steps along gradients of noise."""
    noise, variable = np.random.default_rng(seed), keras.Variable(np.zeros(shape, np.float32))
    for _ in range(steps):
        optimizer.apply([ops.array(noise.standard_normal(shape), "float32")], [variable])
    return ops.convert_to_numpy(variable)


@pytest.mark.parametrize("shape", [(), (7,), (5, 40)])
def test_what_is_no_kernel_is_adams(shape: tuple[int, ...]):
    assert np.array_equal(stepped(Muon(0.1), shape, 5), stepped(keras.optimizers.Adam(0.1), shape, 5))


@pytest.mark.parametrize("shape", [(3, 3, 16, 24), (1, 1, 64, 8), (4, 4, 3, 32), (3, 3, 8, 100)])
def test_the_step_of_a_kernel_has_a_length_of_its_own_whatever_that_of_the_gradient(shape: tuple[int, ...]):
    step = stepped(Muon(0.1), shape, 1)
    assert np.sqrt(np.mean(step**2)) == pytest.approx(0.1 * 0.2, rel=0.2)
    one, other = (keras.Variable(np.zeros(shape, np.float32)) for _ in range(2))
    gradient = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    Muon(0.1).apply([ops.array(gradient)], [one])
    Muon(0.1).apply([ops.array(1000 * gradient)], [other])
    assert ops.convert_to_numpy(one) == pytest.approx(ops.convert_to_numpy(other), abs=1e-5)


def test_without_a_gradient_a_kernel_stays():
    kernel = keras.Variable(np.ones((3, 3, 16, 16), np.float32))
    Muon(0.1).apply([ops.zeros(kernel.shape)], [kernel])
    assert np.array_equal(ops.convert_to_numpy(kernel), np.ones(kernel.shape))


def test_it_is_saved_with_its_settings():
    again = keras.optimizers.deserialize(keras.optimizers.serialize(Muon(0.1, momentum=0.8)))
    assert isinstance(again, Muon)
    assert again.momentum == 0.8


@given(highest=st.floats(1e-5, 10), steps=st.integers(1, 500))
@settings(deadline=None)
def test_a_learning_rate_rises_and_then_falls_to_nothing(highest: float, steps: int):
    schedule = RiseAndFall(highest, steps)
    rates = ops.convert_to_numpy(schedule(np.arange(steps))) / highest
    turn = -(-steps // 20) - 1
    assert rates[turn] == pytest.approx(1) == rates.max()
    assert rates.min() > 0
    assert np.diff(rates[: turn + 1]) == pytest.approx(1 / (turn + 1), abs=1e-5)
    fall = 1 / max(1, steps - turn - 1)
    assert np.diff(rates[turn + 1 :]) == pytest.approx(-fall, abs=1e-5)
    assert rates[-1] == pytest.approx(fall, abs=1e-5)
    assert RiseAndFall.from_config(schedule.get_config())(turn) == schedule(turn)
