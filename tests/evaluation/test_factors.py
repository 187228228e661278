"""Reading the factors of images: by name, whatever the order, and with clear errors."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagevae.cli.errors import BadInput
from imagevae.evaluation.factors import read_factors


def written(folder: Path, content: str) -> Path:
    (folder / "factors.csv").write_text(content)
    return folder / "factors.csv"


def test_factors_follow_the_names(tmp_path: Path):
    file = written(tmp_path, 'file,colour,eyes\na.png,red,10\nb/c.png,blue,9\n"d,e.png",red,9\n')
    found = read_factors(file, ["d,e.png", "a.png", "b/c.png"])
    assert found.names == ["colour", "eyes"]
    assert found.values.tolist() == [[1, 1], [1, 0], [0, 1]]
    assert found.spellings == [["blue", "red"], ["10", "9"]]


def test_an_empty_file_stands_for_none(tmp_path: Path):
    assert read_factors(written(tmp_path, ""), ["a.png", "b.png"]) is None


@pytest.mark.parametrize("start", ["", "\ufeff", "\n"])
@pytest.mark.parametrize("line", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_files_are_read_as_spreadsheets_write_them(start: str, line: str, end: str, tmp_path: Path):
    """With a byte order mark, any ends of lines, and empty lines at the end."""
    content = f"{start}file,x{line}a.png,1{line}b.png,2{line}{end}"
    (tmp_path / "factors.csv").write_bytes(content.encode())
    assert read_factors(tmp_path / "factors.csv", ["b.png", "a.png"]).values.tolist() == [[1], [0]]


def test_a_file_of_empty_lines_stands_for_none(tmp_path: Path):
    assert read_factors(written(tmp_path, "\n\n"), ["a.png"]) is None


def test_fields_may_be_long_but_not_without_end(tmp_path: Path):
    file = written(tmp_path, f"file,x\na.png,{'y' * 100_000}\nb.png,z\n")
    assert read_factors(file, ["a.png", "b.png"]).values.tolist() == [[0], [1]]
    with pytest.raises(BadInput, match=r"factors\.csv: not a CSV file"):
        read_factors(written(tmp_path, f"file,x\na.png,{'y' * 200_000}\n"), ["a.png"])


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(rows=st.lists(st.lists(texts, max_size=4), max_size=5), raw=st.none() | st.binary(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_table_is_read_or_refused(rows: list[list[str]], raw: bytes | None, tmp_path: Path):
    content = "\n".join(map(",".join, [["file", "x"], *rows])).encode() if raw is None else raw
    (tmp_path / "factors.csv").write_bytes(content)
    try:
        found = read_factors(tmp_path / "factors.csv", ["a", ""])
    except BadInput:
        return
    assert found is None or found.values.shape == (2, len(found.names))


@given(values=st.lists(texts, min_size=1, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_values_are_told_apart(values: list[str], tmp_path: Path):
    with (tmp_path / "factors.csv").open("w", encoding="utf-8", newline="") as opened:
        csv.writer(opened).writerows([["file", "x"], *([f"{n}.png", value] for n, value in enumerate(values))])
    found = read_factors(tmp_path / "factors.csv", [f"{n}.png" for n in range(len(values))])
    assert found.values[:, 0].tolist() == [sorted(set(values)).index(value) for value in values]


@pytest.mark.parametrize(
    "content",
    ["name,x\na.png,1\n", "file\na.png\n", "file,x\na.png,1,2\n", "file,x\nb.png,1\n", "file,x\na.png,1\na.png,2\n"],
)
def test_other_files_are_refused(content: str, tmp_path: Path):
    with pytest.raises(BadInput, match=r"factors\.csv"):
        read_factors(written(tmp_path, content), ["a.png"])


def test_a_picture_is_refused(tmp_path: Path):
    (tmp_path / "factors.csv").write_bytes(np.arange(256, dtype=np.uint8).tobytes())
    with pytest.raises(BadInput, match="UTF-8"):
        read_factors(tmp_path / "factors.csv", ["a.png"])
