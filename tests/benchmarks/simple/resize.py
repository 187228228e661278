"""What one writes first: resize each image of a folder, and save it under its name."""

import argparse
from pathlib import Path

import cv2

parser = argparse.ArgumentParser()
parser.add_argument("--input", type=Path, required=True)
parser.add_argument("--output", type=Path, required=True)
parser.add_argument("--size", type=int, default=64)
arguments = parser.parse_args()
arguments.output.mkdir(parents=True, exist_ok=True)
for file in sorted(arguments.input.iterdir()):
    image = cv2.imread(str(file))
    small = cv2.resize(image, (arguments.size, arguments.size), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(arguments.output / file.name), small)
