"""The demo images: real transparency, six factors that show, and the same robots each time."""

import csv
from pathlib import Path

import cv2
import numpy as np

from conftest import run_stage, tree
from imagevae.robot import COLOURS, FACTORS, draw_robot


def test_each_factor_changes_the_robot():
    first = draw_robot("blue", [0] * 5, 64)
    robots = [draw_robot("red", [0] * 5, 64)]
    robots += [draw_robot("blue", [int(place == factor) for place in range(5)], 64) for factor in range(5)]
    for robot in robots:
        assert not np.array_equal(robot, first)


def test_a_robot_is_opaque_inside_and_transparent_outside():
    for size in (32, 128):
        robot = draw_robot("green", [1, 2, 3, 4, 5], size)
        assert robot.shape == (size, size, 4)
        alpha = robot[:, :, 3]
        assert alpha.min() == 0
        assert alpha.max() == 255
        assert ((alpha > 0) & (alpha < 255)).any()
        assert robot[alpha > 0, :3].max() > 50


def test_the_stage_lists_the_factors_and_a_larger_count_keeps_the_robots(tmp_path: Path):
    def robots(name: str, count: int, seed: int = 0) -> tuple[dict[str, bytes], list[dict[str, str]]]:
        flags = ("--output", tmp_path / name, "--factors", tmp_path / f"{name}.csv", "--count", count, "--seed", seed)
        assert run_stage("robots", *flags, "--size", 40).returncode == 0
        with (tmp_path / f"{name}.csv").open(newline="") as file:
            return tree(tmp_path / name), list(csv.DictReader(file))

    few, few_rows = robots("few", 5)
    many, rows = robots("many", 60)
    other, _ = robots("other", 5, seed=1)
    assert few == {name: many[name] for name in few}
    assert few != other
    assert few_rows == rows[:5]
    assert [row["file"] for row in rows] == sorted(many)
    assert set(rows[0]) == {"file", *FACTORS}
    row = rows[7]
    drawn = draw_robot(row["colour"], [int(row[factor]) for factor in FACTORS[1:]], 40)
    assert np.array_equal(cv2.imread(str(tmp_path / "many" / row["file"]), -1), drawn[:, :, [2, 1, 0, 3]])
    assert {row["colour"] for row in rows} <= set(COLOURS)
