"""What each latent does."""

from statistics import NormalDist

import numpy as np

from imagevae.exploring.traversal import active_latents, plane, traversal
from imagevae.model.coding import decode_in_batches
from imagevae.model.vae import VAE


def model_that_uses(latents: list[int], latent_dim: int = 5) -> VAE:
    """An untrained model, whose decoder hears only some latents, the first of them loudest."""
    model = VAE(size=8, network="vector", latent_dim=latent_dim, width=4, kl_weight=1.0)
    model.scale.assign(1e-2)
    [dense] = [layer for layer in model.decoder.layers if layer.name.startswith("dense")]
    kernel, bias = dense.get_weights()
    loudness = np.zeros((latent_dim, 1), np.float32)
    loudness[latents, 0] = [5 / (1 + place) for place in range(len(latents))]
    dense.set_weights([kernel / np.linalg.norm(kernel, axis=1, keepdims=True) * loudness, bias])
    return model


def test_the_latents_that_the_decoder_hears_are_active():
    assert set(active_latents(model_that_uses([3, 1]))) == {1, 3}
    assert active_latents(model_that_uses([])) == []
    many = list(range(0, 150, 7))
    assert set(active_latents(model_that_uses(many, latent_dim=150))) == set(many)


def test_a_traversal_has_a_row_for_each_latent_and_the_same_image_in_its_middle():
    model = model_that_uses([3, 1])
    picture = traversal(model, [3, 0], steps=9).reshape(2, 8, 9, 8, 3).swapaxes(1, 2)
    assert (picture[1] == picture[1, 0]).all(), "latent 0 does nothing"
    assert (picture[0, 4] == picture[1, 4]).all(), "z = 0"
    assert len(np.unique(picture[0].reshape(9, -1), axis=0)) == 9


def test_the_plane_grows_to_the_right_and_upwards():
    model = model_that_uses([0, 1], latent_dim=2)
    tiles = plane(model, steps=3).reshape(3, 8, 3, 8, 3).swapaxes(1, 2)
    low, middle, high = NormalDist().inv_cdf(0.05), 0.0, NormalDist().inv_cdf(0.95)
    for row, up in enumerate((high, middle, low)):
        for column, right in enumerate((low, middle, high)):
            [expected] = decode_in_batches(model, np.float32([[right, up]]))
            assert np.array_equal(tiles[row, column], expected)
    assert len(np.unique(tiles.reshape(9, -1), axis=0)) == 9
