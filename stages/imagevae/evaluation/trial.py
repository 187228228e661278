"""Running a network of others once in a process of its own, so that one which crashes, hangs or takes all memory is
refused."""

import os
import resource
import subprocess
import sys
from pathlib import Path

from imagevae.cli.errors import BadInput

SECONDS = 600  # for loading a network and one batch
REFUSED = 2  # exit status where the last line of stdout says why


def try_network(file: Path, pixel_range: str, seconds: float = SECONDS) -> None:
    """Let another process load a network and run it on a batch, see `network_of`, on the processor.

    Raises:
        BadInput: that fails, or takes too long.
    """
    stages = str(Path(__file__).parents[2])
    processor = {"CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu", "PYTHONPATH": stages}
    words = [sys.executable, "-m", "imagevae.evaluation.trial", str(file), pixel_range]
    try:
        ended = subprocess.run(
            words, env={**os.environ, **processor}, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise BadInput(f"{file}: a batch of images takes this network more than {seconds:g} seconds") from None
    if ended.returncode == REFUSED:
        raise BadInput(ended.stdout.decode(errors="replace").splitlines()[-1])
    if ended.returncode:
        raise BadInput(
            f"{file}: the process that tried this network has died; it may be damaged, or take too much memory"
        )


def _try(file: Path, pixel_range: str) -> int:
    if sys.platform == "linux":
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    from imagevae.model.backend import start_keras

    start_keras(0)
    import numpy as np

    from imagevae.evaluation.features import network_of

    try:
        network = network_of(file, pixel_range)
        network.apply(np.zeros((network.batch, network.size, network.size, 3), np.float32))
    except BadInput as error:
        print(" ".join(str(error).split()))
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(_try(Path(sys.argv[1]), sys.argv[2]))
