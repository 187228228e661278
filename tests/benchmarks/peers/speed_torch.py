"""Images a second of a training step of the default network, written in PyTorch; see compare_models.py.

python speed_torch.py BATCH STEPS adam|muon
"""

import sys
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

SIZE, LATENTS, WIDTH = 64, 4, 48  # latents in each cell of the grid


class Muon(torch.optim.Optimizer):
    """The same steps as those of training/optimizer.py, of kernels alone."""

    def __init__(self, kernels: list[torch.Tensor], lr: float, momentum: float = 0.95):
        super().__init__(kernels, dict(lr=lr, momentum=momentum))

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for kernel in group["params"]:
                state = self.state[kernel]
                kept = state.setdefault("momentum", torch.zeros_like(kernel))
                kept.mul_(group["momentum"]).add_(kernel.grad)
                matrix = (kernel.grad + group["momentum"] * kept).flatten(1)
                kernel.sub_(orthogonal(matrix, 0.2 * group["lr"] * max(matrix.shape) ** 0.5).view_as(kernel))


def orthogonal(matrix: torch.Tensor, length: float) -> torch.Tensor:
    wide = matrix.shape[0] < matrix.shape[1]
    gram = matrix @ matrix.T if wide else matrix.T @ matrix
    one, square = torch.eye(len(gram)), gram.trace() + 1e-24
    gram, product = gram / square, one * (length / square.sqrt())
    for _ in range(5):
        polynomial = 3.4445 * one + (2.0315 * gram - 4.7750 * one) @ gram
        product = polynomial @ product
        gram = polynomial @ gram @ polynomial
    return product @ matrix if wide else matrix @ product


class Both:
    """Muon for kernels and Adam for the rest, or Adam for all."""

    def __init__(self, weights: list[torch.Tensor], kind: str):
        kernels = [weight for weight in weights if weight.ndim == 4 and kind == "muon"]
        others = [weight for weight in weights if weight.ndim != 4 or kind == "adam"]
        self.parts = [torch.optim.Adam(others, 1e-4), *([Muon(kernels, 1e-4)] if kernels else [])]

    def step(self) -> None:
        for part in self.parts:
            part.step()

    def zero_grad(self) -> None:
        for part in self.parts:
            part.zero_grad()


class Residual(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.inner = nn.Sequential(
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.inner(x)


def encoder() -> nn.Module:
    pairs = ((3, WIDTH), (WIDTH, 2 * WIDTH))
    levels = [layer for pair in pairs for layer in (nn.Conv2d(*pair, 4, 2, 1), nn.LeakyReLU(0.2))]
    return nn.Sequential(*levels, nn.Conv2d(2 * WIDTH, 2 * LATENTS, 1))


class Level(nn.Module):
    """A residual block and a convolution, and what comes after; with the sketch of the pixels that the block gives."""

    def __init__(self, wide: int, narrow: int, enlarged: int, after: nn.Module):
        super().__init__()
        self.block = nn.Sequential(Residual(wide), nn.LeakyReLU(0.2))
        self.up = nn.Sequential(nn.Conv2d(wide, narrow, 3, padding=1), after)
        self.sketch = nn.Sequential(nn.Conv2d(wide, 3, 1), nn.Upsample(scale_factor=enlarged, mode="bilinear"))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.block(x)
        return self.up(x), self.sketch(x)


class Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.start = nn.Conv2d(LATENTS, 2 * WIDTH, 3, padding=1)
        self.levels = nn.ModuleList(
            [Level(2 * WIDTH, WIDTH, 4, nn.Upsample(scale_factor=2)), Level(WIDTH, WIDTH, 2, nn.LeakyReLU(0.2))]
        )
        self.end = nn.Sequential(nn.Conv2d(WIDTH, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        x, sketches = self.start(z), []
        for level in self.levels:
            x, sketch = level(x)
            sketches.append(sketch)
        return self.end(x) + sum(sketches)


def step(encode: nn.Module, decode: nn.Module, optimizer: Both, batch: int) -> Callable[[], None]:
    images = torch.rand(batch, 3, SIZE, SIZE).contiguous(memory_format=torch.channels_last)

    def run() -> None:
        mean, log_sigma = encode(images).chunk(2, dim=1)
        decoded = decode(mean + log_sigma.exp() * torch.randn_like(mean))
        error = functional.l1_loss(decoded, images)
        scale = error.detach()
        reconstruction = 3 * SIZE**2 * (torch.log(scale) + error / scale)
        divergence = ((mean**2 + (2 * log_sigma).exp() - 1) / 2 - log_sigma).sum((1, 2, 3)).mean()
        optimizer.zero_grad()
        (reconstruction + 0.5 * divergence).backward()
        optimizer.step()

    return run


def main(batch: int, steps: int, optimizer: str) -> None:
    torch.manual_seed(0)
    parts = [part.to(memory_format=torch.channels_last) for part in (encoder(), Decoder())]
    run = step(*parts, Both([weight for part in parts for weight in part.parameters()], optimizer), batch)
    for _ in range(10):
        run()
    start = time.perf_counter()
    for _ in range(steps):
        run()
    print(batch * steps / (time.perf_counter() - start))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]), sys.argv[3])
