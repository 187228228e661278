"""Batches for training, whose order and variations only the seed and the epoch decide."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from imagevae.dataset.squares import Images
from imagevae.training.devices import own_part

# Threads that read ahead, in order. With a single one Keras hands the reading to tf.data, whose tuner makes each epoch
# wait for seconds when it ends.
WORKERS = 2
ROOM = 0.25  # share of a device's free memory that data to train on may take


class Owned:
    """Rows of images with the number of each one's class and whether they are mirrored, 1 or 0, all three wherever some
    are asked for.

    Args:
        rows: array (n, ...), or (2n, ...), where those of the same images mirrored follow.
        owners: (n,).
    """

    def __init__(self, rows: NDArray, owners: NDArray[np.int64]):
        self.rows, self.owners = held(rows), owners.astype(np.float32)

    def __len__(self) -> int:
        return len(self.owners)

    def __getitem__(self, chosen: NDArray[np.int64]) -> tuple[Any, NDArray[np.float32], NDArray[np.float32]]:
        mirrored, image = np.divmod(chosen, len(self))
        return self.rows[chosen], self.owners[image], mirrored.astype(np.float32)


class Batches(keras.utils.PyDataset):
    """Images in batches, each image once an epoch.

    Args:
        images: of a data set, or an array (n, ...) of what belongs to each, with classes or without.
        batch_size: images in a batch; the last batch of an epoch may have fewer.
        seed: seed of the orders and variations, or None to keep the images as they come.
        flip: whether an image is as likely as not mirrored, left to right.
        shift: by how many pixels an image moves at most, across and down; its edge is repeated where it leaves a gap.
    """

    def __init__(
        self,
        images: Images | NDArray | Owned,
        batch_size: int,
        seed: int | None = None,
        flip: bool = False,
        shift: int = 0,
    ):
        super().__init__(workers=WORKERS)
        self.distribution = keras.distribution.distribution()  # kept, since the threads that read don't know of it
        self.images: Any = images if self.distribution else held(images)
        self.batch_size, self.seed, self.flip, self.shift = batch_size, seed, flip, shift
        self.start(0)

    def start(self, epoch: int) -> None:
        """Go to the order and the variations of an epoch, from 0 on."""
        self.epoch = epoch
        count = len(self.images)
        self.order: NDArray[np.int64] = np.arange(count)
        if self.seed is None:
            return
        numbers = np.random.default_rng([self.seed, epoch])
        self.order = numbers.permutation(count)
        self.flipped = numbers.random(count) < 0.5 * self.flip
        self.moved = numbers.integers(-self.shift, self.shift, (count, 2), endpoint=True)

    def on_epoch_end(self) -> None:
        self.start(self.epoch + 1)

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[NDArray, ...]:
        """A batch; where several devices share it, this process's part and which of its images count (1 or 0)."""
        start = index * self.batch_size
        rows, *counted = own_part(self.order[start : start + self.batch_size], self.distribution)
        return (self._varied(rows), *counted)

    def _varied(self, rows: NDArray[np.int64]) -> NDArray:
        images = self.images[rows]
        if self.seed is None or not (self.flip or self.shift):
            return images
        along = np.arange(images.shape[1])
        down, across = (np.clip(along + moves[:, None], 0, along[-1]) for moves in self.moved[rows].T)
        across = np.where(self.flipped[rows, None], along[-1] - across, across)
        return images[np.arange(len(rows))[:, None, None], down[:, :, None], across[:, None, :]]


class Draws(keras.utils.PyDataset):
    """Rows in batches of one size, drawn at random, a fixed number of batches an epoch.

    Args:
        mirrored: share of the draws that are of mirrored images.
    """

    def __init__(self, rows: Owned, batch_size: int, batches: int, seed: int, mirrored: float = 0):
        super().__init__(workers=WORKERS)
        self.rows, self.batch_size, self.batches, self.seed, self.mirrored = rows, batch_size, batches, seed, mirrored
        self.start(0)

    def start(self, epoch: int) -> None:
        """Go to the draws of an epoch, from 0 on."""
        self.epoch = epoch

    def on_epoch_end(self) -> None:
        self.start(self.epoch + 1)

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int) -> tuple[tuple[Any, ...]]:
        numbers = np.random.default_rng([self.seed, self.epoch, index])
        chosen = np.sort(numbers.integers(0, len(self.rows), self.batch_size))
        turned = numbers.random(self.batch_size) < self.mirrored
        return (self.rows[chosen + len(self.rows) * turned],)


def held(rows: Images | NDArray | Owned) -> Any:
    """Rows in the memory of the device that trains, where it has its own and they fit: then a step sends the numbers of
    its rows there, instead of them. Elsewhere the rows as they are."""
    if keras.config.backend() != "jax" or isinstance(rows, Owned):
        return rows
    import jax

    device = jax.local_devices()[0]
    return jax.device_put(rows[:], device) if fits(rows.nbytes, device.memory_stats()) else rows


def fits(size: int, memory: dict[str, int] | None) -> bool:
    """Whether data of a size leave a device room to train.

    Args:
        memory: as JAX reports it for a device; None for a CPU, which has no memory of its own.
    """
    return memory is not None and size <= ROOM * (memory.get("bytes_limit", 0) - memory.get("bytes_in_use", 0))
