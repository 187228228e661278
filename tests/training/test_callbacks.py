"""What happens beside a training: the KL weight warms up, curves leave out what is no number."""

from pathlib import Path

import numpy as np
import pytest
from dvclive import Live

from imagevae.model.vae import VAE
from imagevae.training.callbacks import Curves, WarmUp


@pytest.fixture(scope="module")
def model() -> VAE:
    return VAE(size=8, network="mlp", latent_dim=2, width=4, kl_weight=0.8)


@pytest.mark.parametrize(("epochs", "weights"), [(0, [0.8, 0.8]), (1, [0.4, 0.8, 0.8]), (3, [0.2, 0.4, 0.6, 0.8, 0.8])])
def test_the_kl_weight_rises_linearly_to_that_of_the_model(epochs: int, weights: list[float], model: VAE):
    warm_up, found = WarmUp(epochs), []
    warm_up.set_model(model)
    for epoch in range(len(weights)):
        warm_up.on_epoch_begin(epoch)
        found.append(float(model.kl_weight))
    assert found == pytest.approx(weights)


def test_curves_are_of_training_and_held_out_images_apart(model: VAE, tmp_path: Path):
    """The scale of the decoder is the model's, and has one curve; an epoch that ends a training has none."""
    logs = {"loss": 3.0, "decoder_scale": 2.0, "val_loss": 3.123456789, "val_decoder_scale": 9.0}
    picture = np.zeros((8, 8, 3), np.uint8)
    with Live(str(tmp_path), dvcyaml=None, save_dvc_exp=False) as live:
        curves = Curves(live, {1: picture})
        curves.set_model(model)
        for epoch in range(3):
            model.stop_training = epoch == 2
            curves.on_epoch_end(epoch, logs)
    model.stop_training = False
    tables = {file.relative_to(tmp_path).as_posix(): file.read_text() for file in tmp_path.rglob("*.tsv")}
    assert set(tables) == {f"plots/metrics/{name}.tsv" for name in ("train/loss", "held_out/loss", "decoder_scale")}
    assert tables["plots/metrics/held_out/loss.tsv"].splitlines() == ["step\tloss", "0\t3.12346", "1\t3.12346"]
    assert [file.name for file in tmp_path.rglob("*.png")] == ["2.png"]
