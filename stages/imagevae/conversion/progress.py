"""A progress bar on a terminal, nothing elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(images: int) -> Iterator[Callable[[int], object]]:
    """What to call with a number of images that are done: it moves a bar on a terminal, and elsewhere nothing."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from tqdm import tqdm  # which takes a while

    with tqdm(total=images, unit="image") as bar:
        yield bar.update
