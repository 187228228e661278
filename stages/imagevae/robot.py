"""Robots composed of the parts that the package robohash brings (art by Zikri Kader, CC-BY 4.0)."""

from functools import cache
from importlib.resources import files

import cv2
import numpy as np
from numpy.typing import NDArray

FACTORS = ("colour", "body", "face", "eyes", "mouth", "accessory")
COLOURS = ("blue", "brown", "green", "grey", "orange", "pink", "purple", "red", "white", "yellow")

# Folders of the package in the order in which parts lie on each other, each with its place among FACTORS[1:].
LAYERS = (("003#01Body", 0), ("004#02Face", 1), ("002#Accessory", 4), ("001#Eyes", 2), ("000#Mouth", 3))


def draw_robot(colour: str, parts: list[int], size: int) -> NDArray[np.uint8]:
    """Compose one robot.

    Args:
        colour: one of COLOURS.
        parts: which body, face, eyes, mouth and accessory, each 0 to 9.
        size: width and height, at most the 300 pixels of the parts.

    Returns:
        uint8 (size, size, 4), RGBA with straight alpha.
    """
    return compose([draw_part(colour, folder, parts[place], size) for folder, place in LAYERS])


def compose(layers: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Lay parts over each other, the first one below, as `draw_part` gives them."""
    robot = np.zeros(layers[0].shape, np.float32)
    for layer in layers:
        robot *= 1 - layer[:, :, 3:] / np.float32(255)
        robot += layer
    robot[:, :, :3] *= 255 / np.maximum(robot[:, :, 3:], 1)
    return cv2.convertScaleAbs(robot)


@cache
def draw_part(colour: str, folder: str, number: int, size: int) -> NDArray[np.uint8]:
    """uint8 (size, size, 4), RGB multiplied by alpha (Porter and Duff 1984), so that parts can be scaled and laid over
    each other; the number in the file's name stands for the shape, in every colour."""
    parts = files("robohash") / "sets" / "set1" / colour / folder
    [file] = [part for part in parts.iterdir() if part.name.endswith(f"-{number + 1:02}.png")]
    pixels = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    part = cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA).astype(np.float32)
    part[:, :, :3] *= part[:, :, 3:] / 255
    return np.rint(cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA)).astype(np.uint8)
