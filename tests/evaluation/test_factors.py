"""Reading the factors of images: by name, whatever the order, and with clear errors."""

from pathlib import Path

import numpy as np
import pytest

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


def test_an_empty_file_stands_for_none(tmp_path: Path):
    assert read_factors(written(tmp_path, ""), ["a.png", "b.png"]) is None


@pytest.mark.parametrize("content", ["name,x\na.png,1\n", "file\na.png\n", "file,x\na.png,1,2\n", "file,x\nb.png,1\n"])
def test_other_files_are_refused(content: str, tmp_path: Path):
    with pytest.raises(BadInput, match=r"factors\.csv"):
        read_factors(written(tmp_path, content), ["a.png"])


def test_a_picture_is_refused(tmp_path: Path):
    (tmp_path / "factors.csv").write_bytes(np.arange(256, dtype=np.uint8).tobytes())
    with pytest.raises(BadInput, match="UTF-8"):
        read_factors(tmp_path / "factors.csv", ["a.png"])
