"""What lies along the axes of the latents, and all over a plane of two."""

from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from keras import ops

from imagevae.cli.errors import BadInput
from imagevae.exploring.traversal import REACH, Axis, plane, principal_axes, read_axes, traversal
from imagevae.model.coding import decode_in_batches
from imagevae.model.vae import VAE


def with_axes(**settings: object) -> VAE:
    """A model with axes that explain something, and a flow that does nothing, where it is said to have one."""
    model = VAE(**{**dict(size=8, network="vector", latent_dim=5, width=4, axis_count=2, seed=3), **settings})
    model.axes.shares.assign([0.6, 0.25])
    model.axes.deviations.assign([3.0, 2.0])
    model.axes.shift.assign(np.arange(5) / 10)
    model.axes.scale.assign(np.full(5, 0.5))
    model.flow.standardise(np.arange(5) / 10, np.full(5, 0.5))
    return model


def test_axes_are_named_by_what_they_explain():
    assert [axis.name for axis in principal_axes(with_axes(), 9)] == ["60.0%", "25.0%"]
    assert len(principal_axes(with_axes(), 1)) == 1
    assert principal_axes(VAE(size=8, network="vector", latent_dim=5, width=4), 9) == []


def test_without_a_flow_the_places_on_the_axes_are_decoded():
    model = with_axes()
    made = traversal(model, principal_axes(model, 2), steps=5)
    assert made.shape == (2, 5, 8, 8, 3)
    for row, deviation in enumerate((3.0, 2.0)):
        codes = np.zeros((5, 2), np.float32)
        codes[:, row] = np.linspace(-REACH, REACH, 5) * deviation
        assert np.array_equal(made[row], list(decode_in_batches(model, model.axes.decode(codes))))


def test_an_image_is_moved_to_each_place_and_keeps_its_other_numbers():
    model = with_axes()
    start = np.float32([1, -1, 0.5, 0, 2])
    made = traversal(model, principal_axes(model, 2), start, steps=3)
    code = model.axes.encode(start[None])[0]
    for row, deviation in enumerate((3.0, 2.0)):
        for column, place in enumerate((-REACH, 0, REACH)):
            direction = ops.convert_to_numpy(model.axes.directions)[row]
            z = start + 0.5 * (place * deviation - code[row]) * direction
            assert np.array_equal(made[row, column], next(decode_in_batches(model, [z.astype(np.float32)])))


def test_a_flow_gives_an_image_back_where_it_already_lies():
    """An image at 0 of an axis stays as it is there, whatever the flow's network does on the way and back."""
    model = with_axes(densities={"flow": 1.0}, sampler="flow", flow_width=16)
    noise = np.random.default_rng(0)
    model.flow.network.set_weights([0.05 * noise.normal(size=w.shape) for w in model.flow.network.get_weights()])
    start = model.axes.to_latents(np.float32([[0, 0, 1, -1, 1]]))[0]
    made = traversal(model, principal_axes(model, 2), start, steps=3).astype(int)
    [expected] = decode_in_batches(model, [start])
    assert np.abs(made[:, 1] - expected).max() <= 1
    assert np.abs(made[:, 0] - expected).max() > 1


def test_an_axis_through_two_points_has_them_at_minus_one_and_one(tmp_path: Path):
    model = with_axes()
    one, other = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    lines = [["file", *"abcde"], ["one, with a comma", *one], ["", *other]]
    (tmp_path / "axes.csv").write_text("\n".join(",".join(f'"{cell}"' for cell in line) for line in lines) + "\n\n")
    [axis] = read_axes(tmp_path / "axes.csv", model)
    assert axis.place(model.axes.to_points(np.stack([one, other]))) == pytest.approx([1, -1], abs=1e-5)


@pytest.mark.parametrize(
    "content",
    [b"", b"file,a,b,c,d,e\n", b"n,a\nx,1\ny,2\n", b"n,a,b,c,d,e\nx,1,2,3,4,5\n", b"\xff\xfe\0"]
    + [b"n,a,b,c,d,e\nx,1,2,3,4,%s\ny,0,0,0,0,0\n" % cell for cell in (b"five", b"nan", b"inf", b"", b"5,6")]
    + [b"n,a,b,c,d,e\nx,1,2,3,4,5\ny,1,2,3,4,5\n"],
)
def test_other_files_are_refused(content: bytes, tmp_path: Path):
    (tmp_path / "axes.csv").write_bytes(content)
    with pytest.raises(
        BadInput, match=r"axes\.csv: (it must have .* 5 numbers each|the two lines of axis 1 are equal)"
    ):
        read_axes(tmp_path / "axes.csv", with_axes())


def test_the_plane_grows_to_the_right_and_upwards():
    model = VAE(size=8, network="vector", latent_dim=2, width=4)
    tiles = plane(model, steps=3).reshape(3, 8, 3, 8, 3).swapaxes(1, 2)
    low, middle, high = NormalDist().inv_cdf(0.05), 0.0, NormalDist().inv_cdf(0.95)
    for row, up in enumerate((high, middle, low)):
        for column, right in enumerate((low, middle, high)):
            [expected] = decode_in_batches(model, np.float32([[right, up]]))
            assert np.array_equal(tiles[row, column], expected)


def test_places_on_an_axis_are_told_in_its_units():
    axis = Axis("", np.float32([1, 0]), np.float32([0, 2]))
    assert axis.place(np.float32([[1, 0], [5, 2], [0, -4]])) == pytest.approx([0, 1, -2])
