"""What classes may be called, and the folders named for them."""

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagevae.model.classes import are_classes, class_folder, fault_of, few_of

names = st.text(min_size=1).filter(lambda name: not fault_of(name)) | st.sampled_from(["a/b", "..", ".a", "a.", "%2F"])


@given(name=names)
def test_a_class_has_a_folder_that_leads_nowhere_else(name: str):
    folder = class_folder(name)
    for path in (PurePosixPath(folder), PureWindowsPath(folder)):
        assert path.parts == (folder,)
        assert not path.is_absolute()
    assert folder not in (".", "..")


@given(one=names, other=names)
def test_no_two_classes_share_a_folder(one: str, other: str):
    assert (class_folder(one) == class_folder(other)) == (one == other)


def test_common_names_are_names_of_folders():
    for name in ("cats", "n01440764", "Käse & Brot", "smileys-emotion", "a.b", "猫"):
        assert class_folder(name) == name


@pytest.mark.parametrize("value", [["a", "a"], ["all"], [""], [" "], ["\ud800"], ["a\nb"], [1], "ab", None, ("a",)])
def test_what_is_no_list_of_classes(value: object):
    assert not are_classes(value)
    assert are_classes(["a", "b"])
    assert are_classes([])


def test_some_names_in_words():
    assert few_of(["a"]) == "a"
    assert few_of(["a", "b", "c"]) == "a, b and c"
    assert few_of([str(number) for number in range(13)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 3 more"
