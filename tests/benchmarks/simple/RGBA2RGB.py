"""What one writes first: composite each image of a folder onto black, and save it under its name, in its format."""

import argparse
from pathlib import Path

from PIL import Image

parser = argparse.ArgumentParser()
parser.add_argument("--input", type=Path, required=True)
parser.add_argument("--output", type=Path, required=True)
arguments = parser.parse_args()
arguments.output.mkdir(parents=True, exist_ok=True)
for file in sorted(arguments.input.iterdir()):
    image = Image.open(file).convert("RGBA")
    black = Image.new("RGBA", image.size, (0, 0, 0, 255))
    black.alpha_composite(image)
    black.convert("RGB").save(arguments.output / file.name)
