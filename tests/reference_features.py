"""Features that torch-fidelity has been given, and where what it made of them is kept: for tests to compare with.

See benchmarks/torch_fidelity_values.py.
"""

from pathlib import Path

import numpy as np

REFERENCE = Path(__file__).parent / "evaluation" / "torch_fidelity.json"
CASES = ((0, 100, 100, 8), (1, 300, 300, 64), (2, 50, 50, 100), (3, 200, 120, 16))  # seed, n, m, d


def some_features(seed: int, n: int, m: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Positive correlated vectors, (n, d) and (m, d), as those of a network that ends with a ReLU."""
    noise = np.random.default_rng(seed)
    mix = noise.normal(size=(2, d, d)) / np.sqrt(d)
    return np.abs(noise.normal(size=(n, d)) @ mix[0]), np.abs(noise.normal(size=(m, d)) @ mix[1] + 0.2)
