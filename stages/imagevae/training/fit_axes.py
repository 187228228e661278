"""Principal component analysis of the latents of training images."""

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from imagevae.images.contact_sheet import evenly_spaced
from imagevae.model.axes import AXES, Axes
from imagevae.training.fit_flow import ENOUGH
from imagevae.training.standardising import standard

EXACT = 4096  # latents up to which the axes are found exactly


def fit_axes(latents: NDArray[np.float32], seed: int) -> Axes:
    """The axes along which latents vary most, as a flow sees them: `AXES` at most, and fewer than there are images.

    Those of up to `EXACT` latents are eigenvectors of the covariance; of more, those of a random projection (Halko et
    al. 2011). They are computed in float64 and rounded, so that they do not depend on the processor.

    Args:
        latents: z_mean and z_log_sigma of training images, (n, 2, latent_dim).
        seed: of the projection.
    """
    shift, scale = standard(latents)
    seen = (latents[evenly_spaced(len(latents), ENOUGH), 0].astype(np.float64) - shift) / scale
    images, units = seen.shape
    solver = "covariance_eigh" if units <= EXACT else "randomized"
    with np.errstate(invalid="ignore"):  # of equal images the shares are 0 / 0
        found = PCA(min(AXES, images - 1, units), svd_solver=solver, random_state=seed).fit(seen)
    axes = Axes(units, found.n_components_)
    axes.shift.assign(shift)
    axes.scale.assign(scale)
    axes.directions.assign(found.components_.round(5))
    axes.deviations.assign(np.sqrt(found.explained_variance_).round(5))
    axes.shares.assign(np.nan_to_num(found.explained_variance_ratio_).round(5))
    return axes
