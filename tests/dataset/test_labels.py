"""The classes of images: from their folders or from a table, with a clear line for what can't be one."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagevae.cli.errors import BadInput
from imagevae.dataset.labels import FEWEST, NO_LABEL, Classes, Labels, find_classes, folder_label, numbered, read_labels
from imagevae.model.classes import MOST_CLASSES, NO_CLASS, are_classes

FOLDERS = Labels("folders", {})


def images(**counts: int) -> list[str]:
    """Names of so many images in each folder."""
    return [f"{folder}/{number}.png" for folder, count in counts.items() for number in range(count)]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("a.png", ""),
        ("cats/a.png", "cats"),
        ("cats/old/a.png", "cats"),
        ("all.zip/a.png", ""),
        ("all.zip/cats/a.png", "cats"),
        ("cats/more.TAR.GZ/dogs/a.png", "cats"),
        ("cats.zip.d/a.png", "cats.zip.d"),
    ],
)
def test_the_first_folder_is_the_label_and_an_archive_is_no_folder(name: str, label: str):
    assert folder_label(name) == label


def table(folder: Path, content: str) -> Path:
    (folder / "labels.csv").write_text(content)
    return folder / "labels.csv"


def test_a_table_names_paths_and_may_have_other_columns(tmp_path: Path):
    file = table(tmp_path, 'label,id,path\ncat,1,a.png\n" dog ",2,"b/c,d.png"\n,3,e.png\n')
    labels = read_labels("table", file)
    assert labels.of(["b/c,d.png", "a.png", "e.png", "missing.png"]) == ["dog", "cat", NO_LABEL, NO_LABEL]
    assert read_labels("none", file).of(["a.png"]) == [NO_LABEL]
    assert read_labels("folders", file).of(["x/a.png"]) == ["x"]


@pytest.mark.parametrize(
    ("content", "culprit"),
    [
        ("", "no labels"),
        ("file,label\na,b\n", "column `path`"),
        ("path,label,label\na,b,c\n", "column `label`"),
        ("path,label\na,b,c\n", "3 columns"),
        ("path,label\na,b\na,c\n", "a is in it twice"),
        ("path,label\n\0,b\n" + "x" * 200_000, "labels.csv"),
    ],
)
def test_a_table_that_is_none_is_refused(content: str, culprit: str, tmp_path: Path):
    with pytest.raises(BadInput, match=culprit) as refusal:
        read_labels("table", table(tmp_path, content))
    assert "labels.csv" in str(refusal.value)


def test_a_table_must_be_named_where_labels_come_from_one():
    with pytest.raises(BadInput, match="--label_table"):
        read_labels("table", None)
    assert read_labels("folders", None) == FOLDERS


def test_an_empty_table_stands_for_none(tmp_path: Path):
    assert read_labels("none", table(tmp_path, "\n")).table == {}


def test_images_without_labels_and_rows_without_images_are_said_in_a_line(capsys: pytest.CaptureFixture):
    labels = Labels("table", {"a": "x", "b": "x", "c": "y", "d": "y", "e": "rare", "f": "", "gone": "x"})
    found = find_classes(labels, ["a", "b", "c", "d", "e", "f"], ["new"], "here")
    assert found.names == ["x", "y"]
    assert found.training.tolist() == [0, 0, 1, 1, NO_CLASS, NO_CLASS]
    assert found.held_out.tolist() == [NO_CLASS]
    assert capsys.readouterr().err.splitlines() == [
        "labels: 2 classes of training images: x (2) and y (2)",
        "warning: labels of less than 2 training images count as none: rare",
        "warning: 2 of 7 images have no label; 1 of 7 rows of the table are of no image",
    ]


def test_a_table_that_is_not_used_is_said(capsys: pytest.CaptureFixture):
    assert find_classes(Labels("none", {"a": "x"}), ["a"], [], "here").names == []
    assert "--labels is none" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("training", "culprit"),
    [
        (["a.png", "b.png"], "a folder for each class"),
        (images(cat=5), "one class, cat"),
        (images(cat=1, dog=1), "no class has 2 training images"),
        (images(cat=2, all=2), "'all' stands for all classes"),
        (images(cat=2, **{"\x07": 2}), "signs?"),
        (images(cat=2, **{"x" * 201: 2}), "201|more than 200 bytes"),
        (images(**{f"c{number}": 2 for number in range(MOST_CLASSES + 1)}), "1,001 classes; 1,000"),
    ],
)
def test_what_can_be_no_classes_is_refused(training: list[str], culprit: str):
    with pytest.raises(BadInput, match=culprit) as refusal:
        find_classes(FOLDERS, training, [], "here")
    assert str(refusal.value).startswith("here: --labels folders: ")
    assert "\n" not in str(refusal.value)


def test_one_class_among_images_of_none_is_a_class():
    found = find_classes(FOLDERS, [*images(cat=3), "a.png"], images(cat=1), "here")
    assert found == Classes(["cat"], *(pytest.approx(numbers) for numbers in ([0, 0, 0, NO_CLASS], [0])))


names = st.lists(st.text(max_size=5).map(lambda name: f"{name}/x"), max_size=30)


@given(training=names, held_out=names)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_folders_are_classes_or_refused(training: list[str], held_out: list[str]):
    known = Counter(FOLDERS.of(training))
    try:
        found = find_classes(FOLDERS, training, held_out, "here")
    except BadInput:
        return
    assert are_classes(found.names)
    assert found.names == sorted(name for name, count in known.items() if name and count >= FEWEST)
    for numbers, of in ((found.training, training), (found.held_out, held_out)):
        assert numbers.tolist() == numbered(FOLDERS.of(of), found.names).tolist()
        assert [number == NO_CLASS for number in numbers] == [name not in found.names for name in FOLDERS.of(of)]
