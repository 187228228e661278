"""What a model's latents do."""

import numpy as np
from numpy.typing import NDArray


def active(z_mean: NDArray) -> NDArray[np.bool_]:
    """Which units vary with the image: those whose z_mean (n, latent_dim) has a variance above 0.01, (latent_dim,).

    Burda et al. 2016, section 5.2.
    """
    return z_mean.var(axis=0) > 0.01
