"""How near one set of images comes to another, image by image."""

import cv2
import numpy as np
from numpy.typing import NDArray


def mse(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean squared error of levels divided by 255, (n,), of images uint8 (n, height, width, 3)."""
    return np.array([np.mean(np.square(a / 255 - b / 255)) for a, b in zip(images, others, strict=True)])


def psnr(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio in dB, (n,); 100 for equal images, where it would be infinite."""
    return -10 * np.log10(np.maximum(mse(images, others), 1e-10))


def ssim(images: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Structural similarity, -1 to 1, (n,), the mean over channels and places.

    Wang et al. 2004, equations 13 and 14, with their Gaussian window of 11 pixels and standard deviation 1.5. Windows
    that reach over the border are left out, unless the image is too small to have others.
    """
    return np.array([_ssim(a, b) for a, b in zip(images, others, strict=True)])


def _ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    x, y = a / 255, b / 255
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x, variance_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + 0.01**2) / (mean_x**2 + mean_y**2 + 0.01**2)
    structure = (2 * covariance + 0.03**2) / (variance_x + variance_y + 0.03**2)
    margin = 5 if min(a.shape[:2]) > 10 else 0
    return float(np.mean((luminance * structure)[margin : len(a) - margin, margin : a.shape[1] - margin]))


def _blur(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return cv2.GaussianBlur(x, (11, 11), 1.5)
