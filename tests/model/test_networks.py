"""Encoders and decoders of each kind: shapes for all sizes, and latents that fit the grid."""

import keras
import numpy as np
import pytest
from keras import ops

from imagevae.model.networks import NETWORKS, computing_in, grid_levels, grid_side, spatial_encoder


@pytest.mark.parametrize("size", [8, 9, 16, 23, 33, 64, 100])
@pytest.mark.parametrize(("network", "latent_dim"), [("vector", 1), ("vector", 5), ("mlp", 3), ("spatial", None)])
def test_shapes(size: int, network: str, latent_dim: int | None):
    latent_dim = latent_dim or 2 * grid_side("spatial", size) ** 2
    encoder, decoder = (build(size, latent_dim, 4, 0) for build in NETWORKS[network])
    pixels = np.random.default_rng(0).random((3, size, size, 3), np.float32)
    both = encoder(pixels)
    assert both.shape == (3, 2 * latent_dim)
    assert decoder(both[:, :latent_dim]).shape == pixels.shape


@pytest.mark.parametrize(("size", "cells"), [(8, 2), (64, 16), (100, 13), (256, 16), (257, 9), (1024, 16)])
def test_the_grid_has_16_cells_a_side_at_most_each_of_4_pixels_or_more(size: int, cells: int):
    channels, side = grid_levels(size, 48)
    assert side == grid_side("spatial", size) == cells
    assert channels[:4] == [48, 96, 192, 384][: len(channels)]
    assert max(channels) <= 8 * 48
    assert grid_side("vector", size) == grid_side("mlp", size) == 0


def test_latents_that_do_not_fit_the_grid_are_refused():
    with pytest.raises(ValueError, match=r"16x16 cells; latent_dim must be a multiple of 256, 1024 for example"):
        spatial_encoder(64, 1000, 4, 0)


@pytest.mark.parametrize("network", NETWORKS)
def test_what_a_network_ends_in_is_computed_in_float32(network: str):
    before = keras.config.dtype_policy().name
    with computing_in("mixed_bfloat16"):
        networks = [build(16, 64, 4, 0) for build in NETWORKS[network]]
    assert keras.config.dtype_policy().name == before == "float32"
    for model in networks:
        assert "mixed_bfloat16" in {layer.dtype_policy.name for layer in model.layers}
        assert ops.convert_to_numpy(model(np.zeros((1, *model.input_shape[1:]), np.float32))).dtype == np.float32
