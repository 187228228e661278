"""Starting Keras: quiet, seeded, and with the same results each time."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Keras reads its defaults from a file in the user's home, which DVC knows nothing of, or writes one there.
NOWHERE = os.path.join(os.devnull, "keras")


def start_keras(seed: int) -> None:
    """Import Keras on its backend (KERAS_BACKEND, TensorFlow by default) and make its operations deterministic.

    To be called before anything else imports Keras.
    """
    os.environ["KERAS_HOME"] = NOWHERE
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true"  # for JAX
    with _no_chatter():
        import keras

        if keras.config.backend() == "tensorflow":
            import tensorflow

            tensorflow.config.experimental.enable_op_determinism()
        keras.utils.set_random_seed(seed)  # which imports TensorFlow on any backend


@contextmanager
def _no_chatter() -> Iterator[None]:
    """Keep back what native code writes to stderr, as TensorFlow 2.21 does at any log level; show it if all fails."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            yield
        except BaseException:
            chatter.seek(0)
            os.write(stderr, chatter.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
