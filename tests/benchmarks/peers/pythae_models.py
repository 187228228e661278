"""Train a model of pythae for some time, and keep what it makes: one side of compare_models.py.

    python pythae_models.py MODEL SQUARES.npz SECONDS OUTPUT.npz

SQUARES has training and held_out, uint8 (n, size, size, 3). Four convolutions with stride 2, 32 to 256 channels, 64
latents; batches of 100, Adam at 0.001.
"""

import sys
import time

import numpy as np
import torch
from pythae.data.datasets import BaseDataset
from pythae.models import RAE_L2, VAE, RAE_L2_Config, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.samplers import GaussianMixtureSampler, GaussianMixtureSamplerConfig, NormalSampler
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import nn

CHANNELS = (32, 64, 128, 256)
LATENT_DIM = 64
MODELS = {"VAE": (VAE, VAEConfig), "RAE_L2": (RAE_L2, RAE_L2_Config)}


class Encoder(BaseEncoder):
    def __init__(self, size: int):
        super().__init__()
        pairs = zip((3, *CHANNELS), CHANNELS, strict=False)
        self.body = nn.Sequential(
            *(layer for pair in pairs for layer in (nn.Conv2d(*pair, 4, 2, 1), nn.ReLU())), nn.Flatten()
        )
        units = CHANNELS[-1] * (size // 16) ** 2
        self.mean, self.log_variance = nn.Linear(units, LATENT_DIM), nn.Linear(units, LATENT_DIM)

    def forward(self, x: torch.Tensor) -> ModelOutput:
        y = self.body(x)
        return ModelOutput(embedding=self.mean(y), log_covariance=self.log_variance(y))


class Decoder(BaseDecoder):
    def __init__(self, size: int):
        super().__init__()
        self.side = size // 16
        self.first = nn.Linear(LATENT_DIM, CHANNELS[-1] * self.side**2)
        pairs = zip(CHANNELS[::-1], (*CHANNELS[-2::-1], 3), strict=True)
        layers = [layer for pair in pairs for layer in (nn.ReLU(), nn.ConvTranspose2d(*pair, 4, 2, 1))]
        self.body = nn.Sequential(*layers, nn.Sigmoid())

    def forward(self, z: torch.Tensor) -> ModelOutput:
        y = self.first(z).reshape(len(z), CHANNELS[-1], self.side, self.side)
        return ModelOutput(reconstruction=self.body(y))


class Clock(TrainingCallback):
    """Measures the held-out images after each epoch, with the clock stopped, and ends the training in time."""

    def __init__(self, model: nn.Module, held_out: torch.Tensor, seconds: float):
        self.model, self.held_out, self.seconds = model, held_out, seconds
        self.used, self.start, self.measured = 0.0, time.monotonic(), []

    def on_epoch_end(self, training_config: BaseTrainerConfig, **keywords: object) -> None:
        self.used += time.monotonic() - self.start
        self.measured.append((self.used, *measure(self.model, self.held_out)))
        if self.used > self.seconds:
            raise TimeoutError
        self.start = time.monotonic()


@torch.no_grad()
def measure(model: nn.Module, images: torch.Tensor) -> tuple[float, float, float]:
    """Mean squared and mean absolute error at a draw of z, and KL divergence from N(0, I) in nats per image."""
    squared, absolute, divergences = [], [], []
    for part in images.split(100):
        posterior = model.encoder(part)
        mean, log_variance = posterior.embedding, posterior.log_covariance
        z = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
        error = model.decoder(z).reconstruction - part
        squared.append((error**2).mean((1, 2, 3)))
        absolute.append(error.abs().mean((1, 2, 3)))
        divergences.append((mean**2 + log_variance.exp() - 1 - log_variance).sum(1) / 2)
    return tuple(float(torch.cat(parts).mean()) for parts in (squared, absolute, divergences))


def levels(images: torch.Tensor) -> np.ndarray:
    return (images.clamp(0, 1) * 255).round().permute(0, 2, 3, 1).numpy().astype(np.uint8)


def pixels(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def main(name: str, squares: str, seconds: str, output: str) -> None:
    images = np.load(squares)
    training, held_out = pixels(images["training"]), pixels(images["held_out"])
    torch.manual_seed(0)
    kind, settings = MODELS[name]
    size = training.shape[2]
    model = kind(settings(input_dim=(3, size, size), latent_dim=LATENT_DIM), Encoder(size), Decoder(size))
    recipe = BaseTrainerConfig(
        output_dir=f"{output}.folder",
        num_epochs=10**6,
        learning_rate=1e-3,
        per_device_train_batch_size=100,
        no_cuda=True,
    )
    clock = Clock(model, held_out, float(seconds))
    trainer = BaseTrainer(
        model, BaseDataset(training, torch.zeros(len(training))), training_config=recipe, callbacks=[clock]
    )
    try:
        trainer.train()
    except TimeoutError:
        model.eval()
    with torch.no_grad():
        rebuilt = torch.cat(
            [model.decoder(model.encoder(part).embedding).reconstruction for part in held_out.split(100)]
        )
        found = {"rebuilt": levels(rebuilt)}
        mixture = GaussianMixtureSampler(model, GaussianMixtureSamplerConfig(n_components=10))
        mixture.fit(training)
        for sampler in (NormalSampler(model), mixture):
            kind = "mixture" if sampler is mixture else "normal"
            found[kind] = levels(sampler.sample(len(held_out), return_gen=True))
    np.savez(output, measured=np.array(clock.measured), **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
