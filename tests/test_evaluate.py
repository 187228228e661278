"""The evaluation stage: every figure with its interval, the same each time, of held-out images of the model's size."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest

from conftest import assert_refused, results, run_here, run_stage
from imagevae.cli.output import sole_writer
from imagevae.report import glossary
from imagevae.report.tables import sections as read_sections
from imagevae.report.tables import table

Evaluate = Callable[..., subprocess.CompletedProcess]


@pytest.fixture
def evaluate(model_file: Path, squares: Path, tmp_path: Path) -> Evaluate:
    """Run the stage on the small model, and write metrics.json."""

    def run(*arguments: object, images: Path = squares, samples: Path = squares) -> subprocess.CompletedProcess:
        words = ("--model", model_file, "--images", images, "--samples", samples, "--networks", 1, "--draws", 2)
        return run_here("evaluate", *words, "--output", tmp_path / "metrics.json", *arguments)

    return run


def figures_in(section: object) -> Iterator[dict]:
    if isinstance(section, dict):
        if "value" in section:
            yield section
        for entry in section.values():
            yield from figures_in(entry)


def test_images_of_another_size_and_models_that_are_none_are_refused(
    evaluate: Evaluate, model_file: Path, squares: Path, tmp_path: Path
):
    larger = tmp_path / "larger"
    assert run_here("resize", "--input", squares, "--output", larger, "--size", 20).returncode == 0
    assert_refused(evaluate(images=larger), larger, "20x20", "16x16")
    assert_refused(evaluate(samples=larger), larger, "20x20", "16x16")
    assert_refused(evaluate("--features", model_file), model_file)
    (tmp_path / "cut.keras").write_bytes(model_file.read_bytes()[:10_000])
    assert_refused(evaluate("--model", tmp_path / "cut.keras"), "cut.keras")
    if not find_spec("umap"):
        assert_refused(evaluate("--map", "umap"), "--map umap", "requirements-umap.txt")
    assert not (tmp_path / "metrics.json").exists()


def test_figures_are_of_held_out_images_and_have_intervals(evaluate: Evaluate, squares: Path, tmp_path: Path):
    network = keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.GlobalAveragePooling2D()])
    network.save(tmp_path / "colour.keras")
    names = sorted(results(squares))
    rows = [f"{name},{number % 3},{number % 2}\n" for number, name in enumerate(names)]
    (tmp_path / "factors.csv").write_text("".join(["file,a,b\n", *rows]))
    extras = ("--features", tmp_path / "colour.keras", "--factors", tmp_path / "factors.csv")
    result = evaluate(*extras, "--pictures", tmp_path / "pictures")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    sections = metrics.pop("with_intervals")
    assert all(isinstance(value, int | float) for value in metrics.values())
    assert {"bits_per_dimension", "psnr", "kid_random", "fd_random", "fd_colour", "coverage", "mig"} <= set(metrics)
    assert {"code_variance", "probe_accuracy"} <= set(metrics)
    assert set(sections["axes"]["mutual_information"]) == {"code_0", "code_1", "shuffled"}
    for name, section in read_sections({"with_intervals": sections}).items():
        for row in table(name, section).rows:
            assert glossary.entry(row.partition("/")[0]).meaning, row
    figures = list(figures_in(sections))
    assert len(figures) > 50
    assert all(figure["low"] <= figure["value"] <= figure["high"] for figure in figures)
    assert all(0 < figure["n"] <= 40 for figure in figures)
    held_out = sections["likelihood"]["held_out"]
    assert metrics["elbo"] == held_out["elbo"]["value"]
    assert metrics["elbo"] == pytest.approx(-held_out["reconstruction"]["value"] - metrics["kl"], rel=1e-4)
    assert metrics["bits_per_dimension"] == pytest.approx(-metrics["elbo"] / np.log(2) / (16 * 16 * 3), rel=1e-4)
    assert 0 < held_out["elbo"]["n"] < 40
    pictures = ("reconstructions.png", "samples.png", "suspects.png", "interpolations.png", "map.png", "strange.png")
    assert set(results(tmp_path / "pictures")) == {*pictures, "kl_per_unit.tsv"}
    units = (tmp_path / "pictures" / "kl_per_unit.tsv").read_text().splitlines()
    assert units[0].split("\t") == ["rank", "unit", "low", "high", "kl"]
    assert len(units) == 1 + 2


def test_figures_repeat_themselves_and_empty_files_stand_for_none(evaluate: Evaluate, tmp_path: Path):
    (tmp_path / "none").write_bytes(b"")
    extras: list[tuple[object, ...]] = [(), ("--features", tmp_path / "none", "--factors", tmp_path / "none")]
    found = []
    for more in extras:
        assert evaluate(*more).returncode == 0
        found.append((tmp_path / "metrics.json").read_bytes())
    assert found[0] == found[1]
    assert {"fd_colour", "kid_colour", "mig", "probe_accuracy"} & set(json.loads(found[0])) == set()


def test_a_report_of_a_run_by_hand_holds_what_the_stage_was_given(
    evaluate: Evaluate, trained: Path, squares: Path, tmp_path: Path
):
    """Without DVC, manifests or pictures there is a report too; what is given must be what it is said to be."""
    both = ("--report", tmp_path / "report.html", "--model_card", tmp_path / "card.md")
    assert_refused(evaluate(*both, "--curves", squares), squares, "curves")
    (tmp_path / "manifest.jsonl").write_text("nonsense")
    assert_refused(evaluate(*both, "--originals", tmp_path / "manifest.jsonl"), "manifest.jsonl")
    assert not (tmp_path / "report.html").exists()
    result = evaluate(*both, "--curves", trained / "curves" / "plots" / "metrics")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    for file in ("report.html", "card.md"):
        text = (tmp_path / file).read_text()
        for held in ("learning_rate", "0.03", "latent_dim", "flow_guidance", "held_out", "draws"):
            assert held in text
    assert "KL divergence from the prior" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("place", ["metrics.json", "card.md"])
def test_two_evaluations_do_not_write_one_file(place: str, tmp_path: Path):
    outputs = ("--output", tmp_path / "metrics.json", "--report", tmp_path / "report.html")
    inputs = ("--model", tmp_path / "none.keras", "--images", tmp_path, "--samples", tmp_path)
    with sole_writer(tmp_path / place):
        result = run_stage("evaluate", *inputs, *outputs, "--model_card", tmp_path / "card.md")
    assert_refused(result, tmp_path / place, f"process {os.getpid()}")
    assert list(tmp_path.iterdir()) == []
