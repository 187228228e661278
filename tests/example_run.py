"""A run as the report sees it, with names that must be escaped."""

import numpy as np

from imagevae.images.encoding import encode_png
from imagevae.report.record import Data, Record

PSNR = {"value": 24.5, "low": 24.0, "high": 25.0, "n": 200}
KID = {"value": 0.1, "low": 0.05, "high": None, "n": 200}
METRICS = {
    "psnr": 24.5,
    "images": 207,
    "with_intervals": {
        "reconstruction": {"model": {"psnr": PSNR}, "mean_image": {"psnr": {**PSNR, "value": 14.0}}, "draws": 4},
        "axes": {"mutual_information": {"code_0": {"model": PSNR, "of|mine": PSNR}}},
        "random_features": {"kid": {"samples": KID, "training_images": {**KID, "value": 0.0}}},
    },
}


def record(**changes: object) -> Record:
    pixels = np.random.default_rng(0).integers(0, 256, (16, 40, 3), np.uint8)
    parts = dict(
        size=16,
        metrics=METRICS,
        data=Data(
            {"training": 1200, "held_out": 207}, ((3, 4), (30, 40), (300, 400)), {"<b>.png": "not an image & damaged"}
        ),
        parameters={"resize": {"background": [0, 0, 255]}, "model": {"latent_dim": 2}, "train": {"<i>": "a|b"}},
        curves={"loss": {"train": [(0.0, 3.0), (1.0, 2.0)], "held_out": [(0.0, 3.5), (1.0, 2.5)]}},
        units=[3.0, 1.0],
        pictures={
            name: encode_png(pixels) for name in ("samples", "reconstructions", "strange", "suspects", "of<mine>")
        },
    )
    return Record(**{**parts, **changes})
