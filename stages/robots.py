"""Make demo images: robots of six independent factors, RGBA with real transparency.

The parts are the "set1" of the package robohash, drawn by Zikri Kader (CC-BY 4.0, https://robohash.org).
"""

from pathlib import Path

import click

from imagevae.cli import command


@click.command("robots", context_settings=command.SETTINGS, help=__doc__)
@click.option("--output", type=command.FOLDER, required=True, help="Folder for the robots, written as PNG.")
@click.option("--factors", type=command.FILE, required=True, help="CSV file to write with the factors of each robot.")
@click.option("--count", type=click.IntRange(1, 1_000_000), default=2000, help="Number of robots.")
@click.option("--size", type=click.IntRange(8, 300), default=128, help="Width and height of a robot, in pixels.")
@click.option("--seed", type=command.SEED, default=0, help="Seed of the factors; a larger count keeps the robots.")
def main(output: Path, factors: Path, count: int, size: int, seed: int) -> None:
    import numpy as np
    from tqdm import tqdm

    from imagevae.cli.output import new_folder, write_file
    from imagevae.images.encoding import encode_png
    from imagevae.robot import COLOURS, FACTORS, draw_robot

    values = np.random.default_rng(seed).integers(0, 10, (count, len(FACTORS)))
    lines = [",".join(["file", *FACTORS])]
    with new_folder(output) as folder:
        for number, (colour, *parts) in enumerate(tqdm(values.tolist(), desc=str(output), unit="robot", disable=None)):
            name = f"{number:06}.png"
            (folder / name).write_bytes(encode_png(draw_robot(COLOURS[colour], parts, size)))
            lines.append(",".join([name, COLOURS[colour], *(str(part) for part in parts)]))
    write_file(factors, "\n".join([*lines, ""]).encode())


if __name__ == "__main__":
    command.run(main)
