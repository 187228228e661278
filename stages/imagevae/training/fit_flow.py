"""Training a flow to the latents of a trained autoencoder, until its samples would be copies of training images."""

import sys
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain
from typing import NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from imagevae.dataset.copies import cells, copying, nearest, thumbnails
from imagevae.dataset.labels import NO_CLASSES, Classes
from imagevae.dataset.squares import Images
from imagevae.images.contact_sheet import evenly_spaced
from imagevae.model.classes import NO_CLASS
from imagevae.model.coding import decode_in_batches
from imagevae.model.flow import CLUSTERS, FlowPrior
from imagevae.model.priors import Prior
from imagevae.model.sampling import draw_latents
from imagevae.model.vae import VAE
from imagevae.training.batches import Batches, Draws, Owned
from imagevae.training.callbacks import Logs, Progress
from imagevae.training.checkpoint import Checkpoint
from imagevae.training.fit_clusters import clusters, count_clusters
from imagevae.training.loop import Best, fit
from imagevae.training.optimizer import RiseAndFall
from imagevae.training.standardising import standard

FLOW_BATCH = 256
STEPS_AN_EPOCH = 125  # after which samples are looked through for copies
AS_THEY_ARE = 300  # times that each image is seen so, at most; what steps there are beyond see mirrored images as often
LEARNING_RATE = 0.005
AVERAGING = 0.99  # momentum of the moving average of a flow's weights
ENOUGH = 20_000  # latents; more would cost more than they add
JUDGES = 500  # held-out latents that the distributions are compared on
DRAWN, COPIES = 512, -3  # samples to look for copies among; C_T below which they are taken to be some
SOON, KNOWN = 875, 150  # steps, or times that each image is seen as it is: what copies sooner is too wide
FEWEST = 10  # samples and held-out images of a class in which copies are looked for
DRAWN_IN = 8  # steps from noise, half as many as other samples: C_T is within 0.4 of theirs
GUIDANCE = (1.0, 1.5, 2.0)  # weights of the guidance, for samples that would be copies with less


class Kind(NamedTuple):
    """A kind of flow.

    Attributes:
        width: units of each layer.
        clusters: at most; each class has one at least.
        longer: times that it has as many steps: those of a narrow one take less time.
    """

    width: int
    clusters: int
    longer: int


# The first learns sooner, but copies where images are few or made of few parts.
FLOWS = (Kind(768, CLUSTERS, 1), Kind(384, 1, 2))


def fit_best_flow(
    training: NDArray[np.float32],
    held_out: NDArray[np.float32],
    checkpoint: Callable[[str], Checkpoint],
    c_t: Callable[[Prior], float],
    steps: int,
    seed: int,
    side: int = 0,
    classes: Classes = NO_CLASSES,
    precision: str = "float32",
) -> FlowPrior:
    """A flow whose samples are no copies: the first of `FLOWS`, or the last where that makes copies too soon. What
    would be copies later is guided more.

    Args:
        training: z_mean and z_log_sigma, (1, n, 2, latent_dim), or (2, n, 2, latent_dim) with those of the images
            mirrored, which it then sees as often as `mirrored_share` tells.
        held_out: z_mean and z_log_sigma, (n, 2, latent_dim).
        c_t: of a distribution, see `copy_test`.
        steps: of the training of the first one, see `Kind`.
        side: of the grid of latents, see `FlowPrior`.
        classes: of these images.
        precision: see `FlowPrior`.
    """
    ways, images, _, latents = training.shape
    kinds = FLOWS if count_clusters(images, latents, CLUSTERS) > 1 else FLOWS[-1:]
    for kind in kinds:
        flow = FlowPrior(latents, kind.width, side, seed=seed, classes=classes.names, precision=precision)
        own_steps = kind.longer * steps
        epochs, mirrored = epochs_of(own_steps), mirrored_share(images, own_steps) if ways == 2 else 0.0
        if mirrored:
            print(f"flow: {mirrored:.0%} of the images that it sees are mirrored, against copies", file=sys.stderr)
        soon = 0 if kind == kinds[-1] else soon_of(images, own_steps, mirrored) // STEPS_AN_EPOCH
        best = WhileNew(checkpoint(f"flow-{kind.width}"), partial(c_t, flow), guided_from=soon)
        fit_flow(flow, training, held_out, best, own_steps, seed, kind.clusters, classes, mirrored)
        ended, kept = len(best.history) / epochs, len(best.history) > soon
        if best.enough(best.history[-1]):
            fewer = "with a cluster for each class" if classes.names else "without clusters"
            print(
                f"flow: copies training images after {ended:.0%} of its steps (C_T {best.history[-1]['val_c_t']:.1f}); "
                + ("the weights before are kept" if kept else f"a narrower one, {fewer}, takes its place"),
                file=sys.stderr,
            )
            if kept and len(best.history) == 1:
                print("warning: samples will be copies of training images; more images would help", file=sys.stderr)
        if kept:
            break
    if flow.strength > GUIDANCE[0]:
        print(
            f"flow: samples are guided {float(flow.strength)} times as much: with less, some were copies",
            file=sys.stderr,
        )
    return flow


def copy_test(
    model: VAE, training: Images, held_out: NDArray[np.float32], seed: int, classes: Classes = NO_CLASSES
) -> Callable[[Prior], float]:
    """The test for copies among what a distribution draws, C_T, see `copying`, against reconstructions of held-out
    images, which have gone through the same decoder: its blur brings images nearer to each other.

    Where images have classes it is the lower one of C_T of all samples and of that within the classes, see `lowest`;
    samples are of each class as often as held-out images are.

    Args:
        held_out: their z_mean, (n, latent_dim).
        classes: of these images.
    """

    def pictures(latents: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
        return thumbnails(np.stack(list(decode_in_batches(model, latents))))

    known, rebuilt = training.some(ENOUGH, seed), pictures(held_out)
    distance, some = nearest(rebuilt, known)[0], thumbnails(known.some(JUDGES, seed)[:])
    held = np.bincount(classes.held_out[classes.held_out != NO_CLASS], minlength=len(classes.names))
    asked = np.round(DRAWN * held / max(1, held.sum())).astype(int)
    of_classes = np.repeat(np.arange(len(asked)), asked)
    measured = np.flatnonzero(np.minimum(held, asked) >= FEWEST)

    def c_t(prior: Prior) -> float:
        draw = partial(draw_latents, prior, seed=seed, steps=DRAWN_IN)
        each = [draw(count, label=classes.names[number]) for number, count in enumerate(asked) if count]
        drawn = pictures(chain(*each) if each else draw(DRAWN))
        found = nearest(drawn, known)[0]
        scores = [
            copying(found[of_classes == number], distance[classes.held_out == number]).value for number in measured
        ]
        return min([copying(found, distance, cells(some, rebuilt, drawn, seed)).value, *lowest(scores)])

    return c_t


def lowest(scores: list[float]) -> list[float]:
    """The lowest of independent z-scores, as the one that chance would make as seldom if it were the only one (Sidak
    1967, https://doi.org/10.2307/2283989); none of none."""
    return [float(norm.ppf(-np.expm1(len(scores) * norm.logsf(min(scores)))))] if scores else []


class WhileNew(Best):
    """Keeps the last weights of a flow whose samples are no copies of training images, and ends its training when
    some are; where they are from the start, the first weights.

    Samples grow better long after the loss on held-out latents has been at its lowest, and those that are guided more
    are nearer to none: see docs/experiments.md.

    Args:
        c_t: of samples, see `copy_test`.
        guided_from: the epoch from which on samples are guided as much as it takes, as far as `GUIDANCE` goes.
    """

    def __init__(self, checkpoint: Checkpoint, c_t: Callable[[], float], guided_from: int):
        super().__init__(lambda logs: logs["val_loss"], checkpoint)
        self.c_t, self.guided_from = c_t, guided_from

    def examine(self) -> Logs:
        first = GUIDANCE.index(self.history[-1]["val_guidance"]) if self.history else 0
        end = len(GUIDANCE) if len(self.history) >= self.guided_from else 1
        for guidance in GUIDANCE[first:end]:
            self.model.strength.assign(guidance)
            logs = {"val_c_t": self.c_t(), "val_guidance": guidance}
            if not self.enough(logs):
                break
        return logs

    def better(self, logs: Logs) -> bool:
        return not self.enough(logs)

    def enough(self, logs: Logs) -> bool:
        return logs["val_c_t"] <= COPIES


def fit_flow(
    flow: FlowPrior,
    training: NDArray[np.float32],
    held_out: NDArray[np.float32],
    best: Best,
    steps: int,
    seed: int,
    most_clusters: int = CLUSTERS,
    classes: Classes = NO_CLASSES,
    mirrored: float = 0,
) -> FlowPrior:
    """Train a flow in place, with Adam at the learning rate of `RiseAndFall`, on clusters that k-means finds.

    Args:
        training: z_mean and z_log_sigma, (1, n, 2, latent_dim), or (2, n, 2, latent_dim) with those of the images
            mirrored.
        held_out: z_mean and z_log_sigma, (n, 2, latent_dim).
        best: chooses the moving average of the weights that is kept.
        most_clusters: to look for; each class has one at least.
        classes: of these images.
        mirrored: share of the images it sees that is mirrored, see `mirrored_share`.
    """
    images = training[0]
    mean, scale = standard(images)
    flow.standardise(mean, scale)
    some = evenly_spaced(len(images), ENOUGH)
    owners = classes.training[some] if classes.names else None
    flow.group(*clusters((images[some, 0] - mean) / scale, most_clusters, seed, owners))
    flow.trainable = True
    epochs = epochs_of(steps)
    judges = np.repeat(np.arange(len(held_out)), max(1, 2 * JUDGES // len(held_out)))
    own, others = classes[1:] if classes.names else (np.zeros(len(each), np.int64) for each in (images, held_out))
    batches = Draws(
        Owned(training.reshape(-1, *images.shape[1:]), own), FLOW_BATCH, -(-steps // epochs), seed, mirrored
    )
    fit(
        flow,
        keras.optimizers.Adam(
            RiseAndFall(LEARNING_RATE, epochs * len(batches)), beta_2=0.99, use_ema=True, ema_momentum=AVERAGING
        ),
        batches,
        Batches(Owned(held_out[judges], others[judges]), FLOW_BATCH),
        epochs,
        best,
        [Progress("flow", epochs, len(batches) * FLOW_BATCH, FLOW_BATCH)],
    )
    flow.trainable = False
    return flow


def mirrored_share(images: int, steps: int) -> float:
    """The share of the images a flow of so many steps sees that is mirrored: against copies, none is seen as it is more
    than `AS_THEY_ARE` times, but half of them at least are."""
    return min(0.5, max(0.0, 1 - AS_THEY_ARE * images / max(1, steps * FLOW_BATCH)))


def soon_of(images: int, steps: int, mirrored: float) -> int:
    """Steps within which a wide flow that copies gives way to a narrow one, though half of all at most: `SOON`, or as
    many as show it each image `KNOWN` times as it is, if that is later."""
    return min(STEPS_AN_EPOCH * (epochs_of(steps) // 2), max(SOON, int(KNOWN * images / ((1 - mirrored) * FLOW_BATCH))))


def epochs_of(steps: int) -> int:
    """Epochs of a flow's training, each of `STEPS_AN_EPOCH` at most."""
    return -(-steps // STEPS_AN_EPOCH)
