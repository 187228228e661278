"""Outputs are whole or not there; nothing else is lost."""

from pathlib import Path

import pytest

from conftest import tree
from imagevae.cli.output import new_folder, write_file


class Interrupted(Exception):
    pass


def test_a_new_folder_appears_whole_or_not_at_all(tmp_path: Path):
    def fill(fail: bool) -> None:
        with new_folder(tmp_path / "deep" / "out") as folder:
            (folder / "sub").mkdir()
            (folder / "sub" / "a").write_text("new")
            if fail:
                raise Interrupted

    with pytest.raises(Interrupted):
        fill(fail=True)
    assert list((tmp_path / "deep").iterdir()) == []
    fill(fail=False)
    assert tree(tmp_path) == {"deep/out/sub/a": b"new"}


def test_an_existing_folder_loses_nothing(tmp_path: Path):
    (tmp_path / "mine").write_text("kept")
    (tmp_path / "same").write_text("old")

    def fill(fail: bool) -> None:
        with new_folder(tmp_path) as folder:
            (folder / "same").write_text("new")
            if fail:
                raise Interrupted

    with pytest.raises(Interrupted):
        fill(fail=True)
    assert tree(tmp_path) == {"mine": b"kept", "same": b"old"}
    fill(fail=False)
    assert tree(tmp_path) == {"mine": b"kept", "same": b"new"}


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path):
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "stale").touch()
    with new_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("new")
    assert tree(tmp_path) == {"out/a": b"new"}


def test_a_file_is_replaced_at_once_and_leaves_no_trace_where_it_fails(tmp_path: Path):
    write_file(tmp_path / "sub" / "a", b"one")
    write_file(tmp_path / "sub" / "a", b"two")
    assert tree(tmp_path) == {"sub/a": b"two"}
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        write_file(tmp_path / "folder", b"three")
    assert tree(tmp_path) == {"sub/a": b"two"}


@pytest.mark.parametrize("name", ["x" * 255, "ü" * 127, "あ" * 85])
def test_names_may_be_as_long_as_the_system_allows(name: str, tmp_path: Path):
    write_file(tmp_path / name, b"one")
    with new_folder(tmp_path / "in" / name) as folder:
        (folder / name).write_text("two")
    assert tree(tmp_path) == {name: b"one", f"in/{name}/{name}": b"two"}
