"""Cut large pictures into tiles of 64x64 pixels: photographs to compare models on.

    apt-get download mate-backgrounds lomiri-wallpapers plasma-workspace-wallpapers
    for package in *.deb; do dpkg-deb --extract $package wallpapers; done
    python tests/benchmarks/photographs.py wallpapers TILES

Each picture of 400 pixels or more in width and in height gives four rows of tiles, however large it is.
"""

import sys
from pathlib import Path

import cv2

TILE, ROWS, LEAST = 64, 4, 400
KINDS = {".jpg", ".jpeg", ".png", ".webp"}


def main(source: Path, output: Path) -> None:
    output.mkdir(parents=True)
    seen: set[bytes] = set()
    count = 0
    for file in sorted(source.rglob("*")):
        if file.suffix.lower() not in KINDS or file.is_symlink():
            continue
        picture = cv2.imread(str(file))
        if picture is None or min(picture.shape[:2]) < LEAST:
            continue
        look = (cv2.resize(picture, (8, 8), interpolation=cv2.INTER_AREA) // 16).tobytes()
        if look in seen:
            continue  # the same picture in another size
        seen.add(look)
        scale = TILE * ROWS / min(picture.shape[:2])
        height, width = (round(side * scale) for side in picture.shape[:2])
        small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        for top in range(0, height - TILE + 1, TILE):
            for left in range(0, width - TILE + 1, TILE):
                cv2.imwrite(str(output / f"{count:05}.png"), small[top : top + TILE, left : left + TILE])
                count += 1
    print(f"{count} tiles of {len(seen)} pictures")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
