"""What the stages wrote is gathered: curves as DVCLive writes them, and the sentence at the top."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from example_run import record
from imagevae.cli.errors import BadInput
from imagevae.report.chart import line_chart
from imagevae.report.record import read_curves


def test_curves_are_read_by_term_and_kind(tmp_path: Path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "loss.tsv").write_text("step\tloss\n0\t3.5\n1\tnan\n")
    (tmp_path / "decoder_scale.tsv").write_text("step\tdecoder_scale\n0\t0.5\n")
    curves = read_curves(tmp_path)
    assert curves["decoder_scale"] == {"": [(0.0, 0.5)]}
    [(first, value), (second, unknown)] = curves["loss"]["train"]
    assert (first, value, second) == (0.0, 3.5, 1.0)
    assert unknown != unknown


@pytest.mark.parametrize("text", ["step\tloss\n0\thigh\n", "step\tloss\n0\n"])
def test_a_damaged_curve_is_named(tmp_path: Path, text: str):
    (tmp_path / "loss.tsv").write_text(text)
    with pytest.raises(BadInput, match=r"loss\.tsv: not a table"):
        read_curves(tmp_path)


cells = st.one_of(st.floats().map(str), st.integers().map(str), st.text(max_size=5), st.just("1" * 200_000))


@given(lines=st.lists(st.lists(cells, max_size=3).map("\t".join), max_size=5), raw=st.none() | st.binary(max_size=50))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_curve_is_drawn_or_refused(lines: list[str], raw: bytes | None, tmp_path: Path):
    content = "\n".join(["step\tloss", *lines]).encode(errors="replace") if raw is None else raw
    (tmp_path / "loss.tsv").write_bytes(content)
    try:
        curves = read_curves(tmp_path)
    except BadInput:
        return
    line_chart(curves["loss"], "loss", "epoch")


def test_a_folder_without_curves_is_named(tmp_path: Path):
    with pytest.raises(BadInput, match="no curves"):
        read_curves(tmp_path)


def test_the_lead_says_what_the_model_is():
    assert "16\N{MULTIPLICATION SIGN}16 images with 2 latents, trained on 1,200 images" in record().lead
