"""Manifests: only our own make a folder one of shards, and hostile or damaged ones end a stage in one line."""

import json
import shutil
from hashlib import md5
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import assert_refused, run_stage, tree, write_images
from imagevae.cli.errors import BadInput
from imagevae.cli.output import check_output
from imagevae.dataset.squares import read_squares
from imagevae.exploring.inputs import Form, read_folder
from imagevae.images.manifest import MANIFEST, Row, parse_row
from imagevae.images.sources import list_source

SIZE, COUNT = 8, 12
FORM = Form(SIZE, "pad", (0, 0, 0))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of both kinds, with a file outside of them."""
    folder = tmp_path_factory.mktemp("made")
    write_images(folder / "in", COUNT)
    (folder / "outside.tar").write_bytes(bytes(10_000))
    for name, stage, more in (("tar", "rgba2rgb", ()), ("npy", "resize", ("--size", SIZE))):
        arguments = ("--input", folder / "in", "--output", folder / name, "--format", "shards", *more)
        result = run_stage(stage, *arguments)
        assert result.returncode == 0, result.stderr
    return folder


@pytest.fixture
def shards(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "made")


def change(folder: Path, number: int, row: object) -> None:
    """Put another row in place of one of a manifest."""
    head, *rows = (folder / MANIFEST).read_text().splitlines()
    rows[number] = json.dumps(row)
    (folder / MANIFEST).write_text("\n".join([head, *rows, ""]))


def row_of(folder: Path, number: int) -> Row:
    return parse_row((folder / MANIFEST).read_text().splitlines()[number + 1])


HOSTILE: dict[str, list] = {
    "name": ["../a.png", "/a.png", "b/../../a.png", "", None, 3, "nul\0.png", ["a"], "\ud800.png", "0001.png"],
    "source": [None, 1, []],
    "width": [None, -1, 1.5, "1", 2**70, 1e300, float("nan"), [1]],
    "height": [None, -1, 1.5],
    "result": [None, 1, "x", 32 * "x", 32 * "0", md5(b"other").hexdigest(), 31 * "a", 33 * "a", f" {31 * 'a'}"],
    "file": [
        "../outside.tar",
        "/etc/passwd",
        "..",
        "",
        None,
        1,
        "a/b.tar",
        "missing.tar",
        "nul\0.tar",
        MANIFEST,
        ".",
        "\\x.tar",
    ],
    "row": [None, -1, 0.5, 2**70],
    "start": [None, -1, 0.5, 10**6, 2**62, 2**63, 2**70],
    "size": [None, -1, 0.5, 2**31, 2**40, 10**6, 2**70, 0],
}


@pytest.mark.parametrize("kind", ["tar", "npy"])
@pytest.mark.parametrize(
    ("column", "value"), [(column, value) for column, values in HOSTILE.items() for value in values]
)
def test_hostile_rows_are_refused(kind: str, column: str, value: object, shards: Path):
    folder = shards / kind
    change(folder, 3, row_of(folder, 3)._replace(**{column: value}))

    def read_all() -> None:
        for item in list_source(folder).items:
            item.read()
        list(read_folder(folder, FORM)[1])
        if kind == "npy":
            read_squares(folder)

    with pytest.raises(BadInput, match=kind):
        read_all()


@pytest.mark.parametrize("row", [0, 5, 11, 100])
@pytest.mark.parametrize("shift", [-1, 1, 192])
def test_rows_of_arrays_that_do_not_fit_the_shard_are_refused(row: int, shift: int, shards: Path):
    folder = shards / "npy"
    change(folder, 3, row_of(folder, 3)._replace(row=row, start=128 + 192 * row + shift))
    with pytest.raises(BadInput, match="npy"):
        read_squares(folder)


@pytest.mark.parametrize("row", [[], [1], {}, "123456789", None, 3, 9 * [1], 10 * ["a"], [[["a"]]]], ids=str)
def test_rows_of_another_form_are_refused(row: object, shards: Path):
    change(shards / "npy", 3, row)
    for read in (list_source, read_squares):
        with pytest.raises(BadInput, match=f"{MANIFEST}: a damaged manifest"):
            read(shards / "npy")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=10) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(number=st.integers(0, COUNT - 1), column=st.sampled_from(Row._fields), value=json_values)
def test_any_value_is_right_or_refused(number: int, column: str, value: object, made: Path, tmp_path_factory):
    folder = shutil.copytree(made / "npy", tmp_path_factory.mktemp("any") / "npy")
    change(folder, number, row_of(folder, number)._replace(**{column: value}))
    for read in (list_source, read_squares, lambda folder: list(read_folder(folder, FORM)[1])):
        try:
            read(folder)
        except BadInput as error:
            assert "npy" in str(error)  # noqa: PT017


@given(entry=st.sampled_from(["recipe", "counts", "rejected", "shards", "columns"]), value=json_values | st.just(...))
def test_any_head_is_right_or_refused(entry: str, value: object, made: Path, tmp_path_factory):
    folder = shutil.copytree(made / "npy", tmp_path_factory.mktemp("head") / "npy")
    first, *rows = (folder / MANIFEST).read_text().splitlines()
    head = json.loads(first)
    if value is ...:
        del head[entry]
    else:
        head[entry] = value
    (folder / MANIFEST).write_text("\n".join([json.dumps(head), *rows, ""]))
    for read in (list_source, read_squares):
        try:
            read(folder)
        except BadInput as error:
            assert str(folder) in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"\xff", b'{"image": "a.png"}\n', b"[1]\n", b'{"recipe": "soup"}\n', b'{"recipe": {"of": "soup"}}\n'],
)
def test_the_manifest_of_somebody_else_is_a_file_among_others(content: bytes, tmp_path: Path):
    write_images(tmp_path / "in", 2)
    (tmp_path / "in" / MANIFEST).write_bytes(content)
    for number, stage in enumerate(("rgba2rgb", "resize")):
        result = run_stage(stage, "--input", tmp_path / "in", "--output", tmp_path / f"{number}")
        assert result.returncode == 0, result.stderr
        assert "1 .jsonl" in result.stderr
        assert {Path(name).name for name in tree(tmp_path / f"{number}")} >= {"0000.png", "0001.png"}
    assert len(read_squares(tmp_path / "in")) == 2


@pytest.mark.parametrize("stage", ["rgba2rgb", "resize"])
@pytest.mark.parametrize(
    "hostile",
    [
        {"file": "../outside.tar"},
        {"size": 2**40},
        {"result": md5(b"other").hexdigest()},
        {"name": "../x.png"},
        {"start": 0.5},
    ],
    ids=str,
)
def test_stages_refuse_hostile_manifests_in_one_line(stage: str, hostile: dict, shards: Path):
    folder = shards / "tar"
    change(folder, 3, row_of(folder, 3)._replace(**hostile))
    result = run_stage(stage, "--input", folder, "--output", shards / "out")
    assert_refused(result)
    assert len(result.stderr.splitlines()) == 1
    assert not (shards / "out").exists()


@pytest.mark.parametrize("hostile", [{"file": "../outside.npy"}, {"row": -1}, {"size": 10}])
def test_training_refuses_hostile_manifests_in_one_line(hostile: dict, shards: Path):
    np.save(shards / "outside.npy", np.zeros((COUNT, SIZE, SIZE, 3), np.uint8))
    change(shards / "npy", 3, row_of(shards / "npy", 3)._replace(**hostile))
    result = run_stage("train", "--input", shards / "npy", "--output", shards / "vae.keras", "--curves", shards / "c")
    assert_refused(result, shards / "npy")


@pytest.mark.parametrize("kind", ["float", "flat", "object", "text", "archive", "fortran", "empty", "changed"])
def test_damaged_shards_are_named(kind: str, shards: Path):
    [shard] = (shards / "npy").glob("*.npy")
    squares = np.load(shard)
    if kind in ("text", "empty"):
        shard.write_bytes(b"no array" if kind == "text" else b"")
    elif kind == "archive":
        with shard.open("wb") as file:
            np.savez(file, squares)
    else:
        squares[3, 2, 1, 0] ^= kind == "changed"
        forms = {"float": squares.astype("f4"), "flat": squares.ravel(), "object": squares.astype(object)}
        np.save(shard, forms.get(kind, np.asfortranarray(squares) if kind == "fortran" else squares))
    with pytest.raises(BadInput, match=shard.name):
        read_squares(shards / "npy")


@pytest.mark.parametrize("shards", [5, [[1]], "x", None, {}, [{}]], ids=str)
def test_an_output_with_a_damaged_manifest_is_refused_in_one_line(shards: object, tmp_path: Path):
    write_images(tmp_path / "in", 2)
    head = {"recipe": {}, "counts": {}, "rejected": {}, "shards": shards, "columns": []}
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MANIFEST).write_text(json.dumps(head))
    (tmp_path / "out" / "mine.png").write_bytes(b"x")
    with pytest.raises(BadInput, match=r"mine\.png"):
        check_output(tmp_path / "out")
