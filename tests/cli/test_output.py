"""Outputs are whole or not there; they hold what one run made and nothing else; and nobody's files are lost."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT, tree
from imagevae.cli import output
from imagevae.cli.errors import BadInput
from imagevae.cli.ours import MANIFEST, MARK
from imagevae.cli.output import check_output, check_whole, new_folder, sole_writer, write_file

OURS = b'{"recipe": {}, "counts": {}, "rejected": {}, "shards": {"0.tar": ["", 0]}, "columns": []}\n'


class Interrupted(Exception):
    pass


@pytest.fixture(autouse=True, params=[True, False], ids=["with attributes", "without"])
def as_in_another_process(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """On a file system that has attributes of files, or as on one that has none."""
    monkeypatch.setattr("imagevae.cli.output._made_here", set())
    if not request.param:
        monkeypatch.setattr("imagevae.cli.output.sign", lambda folder, name: False)


def fill(place: Path, *names: str, fail: bool = False) -> None:
    """What a run does that makes files of these names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imagevae.cli.output._made_here", set())
        with new_folder(place) as folder:
            for name in names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(OURS if name == MANIFEST else os.fsencode(name))
            if fail:
                raise Interrupted


def contents(folder: Path) -> set[str]:
    return set(tree(folder)) - {MARK}


def test_a_new_folder_appears_whole_or_not_at_all(tmp_path: Path):
    with pytest.raises(Interrupted):
        fill(tmp_path / "deep" / "out", "sub/a", fail=True)
    assert list((tmp_path / "deep").iterdir()) == []
    fill(tmp_path / "deep" / "out", "sub/a")
    assert contents(tmp_path / "deep" / "out") == {"sub/a"}
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]


def test_shards_need_no_mark_of_their_own(tmp_path: Path):
    fill(tmp_path / "out", MANIFEST, "0.tar")
    assert set(tree(tmp_path / "out")) == {MANIFEST, "0.tar"}


FORMS = [("a.png", "sub/b.png", "e\u0301\n\udce9.png"), (MANIFEST, "0.tar"), ()]


@pytest.mark.parametrize("first", [*FORMS])
@pytest.mark.parametrize("second", [*FORMS])
def test_nothing_of_an_earlier_run_stays(first: tuple[str, ...], second: tuple[str, ...], tmp_path: Path):
    fill(tmp_path / "out", *first)
    before = tree(tmp_path)
    with pytest.raises(Interrupted):
        fill(tmp_path / "out", *second, fail=True)
    assert tree(tmp_path) == before
    fill(tmp_path / "out", *second)
    assert contents(tmp_path / "out") == set(second)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "names",
    [["notes.txt"], [".partial/mine"], [".hidden"], ["sub/a"], [MANIFEST], [MARK], ["a.png", "b.png"]],
    ids=" ".join,
)
def test_a_folder_of_somebody_else_is_refused_before_anything_happens(names: list[str], tmp_path: Path):
    for name in names:
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_bytes(b'{"image": "a.png"}\n')
    before = tree(tmp_path)
    with pytest.raises(BadInput, match="new or an empty folder"):
        fill(tmp_path / "out", "a.png")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("form", FORMS[:2])
@pytest.mark.parametrize("name", ["mine.txt", "sub/mine.png", ".partial/mine", "1.tar"])
def test_what_somebody_put_into_an_output_is_never_deleted(form: tuple[str, ...], name: str, tmp_path: Path):
    fill(tmp_path / "out", *form)
    (tmp_path / "out" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "out" / name).write_bytes(b"mine")
    before = tree(tmp_path)
    with pytest.raises(BadInput, match=name.split("/")[0]):
        fill(tmp_path / "out", "a.png")
    assert tree(tmp_path) == before


def test_nor_what_comes_while_a_run_is_writing(tmp_path: Path):
    fill(tmp_path / "out", "a")
    with pytest.raises(BadInput, match="mine"), new_folder(tmp_path / "out"):
        (tmp_path / "out" / "mine").touch()
    assert contents(tmp_path / "out") == {"a", "mine"}


def test_an_empty_folder_of_the_user_is_deleted_no_more_than_a_file(tmp_path: Path):
    fill(tmp_path / "out", "a")
    (tmp_path / "out" / "mine").mkdir()
    with pytest.raises(BadInput, match="mine"):
        fill(tmp_path / "out", "a")


def test_a_mark_can_not_name_what_lies_elsewhere(tmp_path: Path):
    (tmp_path / "mine").touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MARK).write_text('{"made": ["../mine", "/etc", "link"]}')
    (tmp_path / "out" / "link").symlink_to(tmp_path)
    fill(tmp_path / "out", "a")
    assert contents(tmp_path) - {f"out/{MARK}"} == {"mine", "out/a"}


def test_links_lead_to_the_folder_that_is_replaced(tmp_path: Path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    for names in (["a"], ["b"]):
        fill(tmp_path / "out", *names)
    assert (tmp_path / "out").is_symlink()
    assert contents(tmp_path / "disk") == {"b"}


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path):
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "stale").touch()
    with pytest.raises(BadInput, match="in the way"):  # a stage makes the mark first
        fill(tmp_path / "out", "a")
    (tmp_path / ".out.partial" / MARK).touch()
    fill(tmp_path / "out", "a")
    assert contents(tmp_path / "out") == {"a"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


KILLED = """
import os, sys
sys.path.insert(0, {stages!r})
from pathlib import Path
from imagevae.cli import output
from imagevae.cli.output import new_folder
if not {signs}:
    output.sign = lambda folder, name: False
moment, seen = int(sys.argv[1]), 0
def watch(event, arguments):
    global seen
    if event == "open" or (event.startswith("os.") and event != "os.kill"):
        if seen == moment:
            os.kill(os.getpid(), 9)
        seen += 1
with new_folder(Path("."if {here} else "out")) as folder:
    sys.addaudithook(watch)
    for name in ("a", "sub/c", "new"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("new")
"""


@pytest.mark.parametrize("here", [False, True], ids=["beside", "the current folder"])
def test_a_run_may_be_killed_at_any_moment(here: bool, tmp_path: Path):
    """It leaves the old folder or the new one, or, where it can't be renamed, one that is known as half-written."""
    place, moment, ended = tmp_path / "out", 0, False
    signs = output.sign(tmp_path, "")
    old, new = {"a": b"a", "sub/b": b"sub/b"}, {"a": b"new", "sub/c": b"new", "new": b"new"}
    outcomes = set()
    while not ended:
        shutil.rmtree(place, ignore_errors=True)
        fill(place, *old)
        command = [
            sys.executable,
            "-c",
            KILLED.format(stages=str(ROOT / "stages"), here=here, signs=signs),
            str(moment),
        ]
        ended = subprocess.run(command, cwd=place if here else tmp_path).returncode != -signal.SIGKILL
        found = {name: data for name, data in tree(place).items() if ".partial" not in name and name != MARK}
        whole = place
        if not here and not place.exists():
            whole = tmp_path / ".out.partial.old"
            found = {name: data for name, data in tree(whole).items() if name != MARK}
        if here:
            try:
                check_whole(whole)
            except BadInput:
                outcomes.add("half-written")
            else:
                assert found in (old, new)
        else:
            assert found in (old, new)
        with pytest.raises(Interrupted):
            fill(place, fail=True)
        if not here:
            assert {name: data for name, data in tree(place).items() if name != MARK} in (old, new)
        fill(place, "last")
        assert contents(place) == {"last"}
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        moment += 1
    assert moment > 10
    assert bool(outcomes) == here


def test_the_current_folder_can_be_the_output_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    inode = tmp_path.stat().st_ino
    for names in (["a", "sub/b"], ["c"], [MANIFEST, "0.tar"], ["d"]):
        fill(Path("."), *names)
        assert contents(tmp_path) == set(names)
    assert tmp_path.stat().st_ino == inode


def other_run(call: str, output: Path) -> subprocess.CompletedProcess:
    """A process that writes an output, by a function of the module."""
    script = f"import sys; from pathlib import Path; from imagevae.cli.output import {call}\n"
    script += f"with {call}(Path(sys.argv[1])): pass"
    return subprocess.run(
        [sys.executable, "-c", script, output],
        env={**os.environ, "PYTHONPATH": str(ROOT / "stages")},
        capture_output=True,
        text=True,
    )


def test_two_runs_do_not_write_one_folder(tmp_path: Path):
    with new_folder(tmp_path / "out") as folder:
        (folder / "a").touch()
        assert f"another run is writing it, process {os.getpid()};" in other_run("new_folder", tmp_path / "out").stderr
    assert contents(tmp_path / "out") == {"a"}


@pytest.mark.parametrize("name", ["out", "new/out", "x" * 255])
def test_two_runs_do_not_work_on_one_output(name: str, tmp_path: Path):
    with sole_writer(tmp_path / name):
        assert f"another run is writing it, process {os.getpid()};" in other_run("sole_writer", tmp_path / name).stderr
        assert other_run("sole_writer", tmp_path / "another").returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert other_run("sole_writer", tmp_path / name).returncode == 0


def test_a_run_that_was_killed_keeps_no_other_from_its_output(tmp_path: Path):
    script = "import os, sys; from pathlib import Path; from imagevae.cli.output import sole_writer\n"
    script += "with sole_writer(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "stages")}
    killed = subprocess.run([sys.executable, "-c", script, tmp_path / "out"], env=environment)
    assert killed.returncode == -signal.SIGKILL
    assert other_run("sole_writer", tmp_path / "out").returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_what_a_run_writes_into_its_own_output_later_belongs_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for _ in range(2):
        monkeypatch.setattr("imagevae.cli.output._made_here", set())
        with new_folder(tmp_path / "out") as folder:
            (folder / "a").touch()
        write_file(tmp_path / "out" / "deep" / "sheet.png", b"sheet")
        with new_folder(tmp_path / "out" / "pictures") as folder:
            (folder / "b").touch()
        found = contents(tmp_path / "out") - {f"pictures/{MARK}"}
        assert found == {"a", "deep/sheet.png", "pictures/b"}
    with pytest.raises(BadInput, match="two outputs"), new_folder(tmp_path / "out"):
        pass
    monkeypatch.setattr("imagevae.cli.output._made_here", set())
    write_file(tmp_path / "out" / "model", b"of another run")
    with pytest.raises(BadInput, match="model"):
        check_output(tmp_path / "out")


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="no attributes of files")
def test_an_output_holds_nothing_but_results_and_may_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if not output.sign(tmp_path, ""):
        pytest.skip("no attributes of files")
    fill(tmp_path / "out", "a", "sub/b")
    assert set(tree(tmp_path / "out")) == {"a", "sub/b"}
    (tmp_path / "out").rename(tmp_path / "moved")
    fill(tmp_path / "moved", "a", "b")
    (tmp_path / "moved" / "a").rename(tmp_path / "moved" / "best")  # which somebody wants to keep
    with pytest.raises(BadInput, match="'best'"):
        fill(tmp_path / "moved", "a")


def test_a_file_is_no_folder(tmp_path: Path):
    (tmp_path / "out").touch()
    with pytest.raises(BadInput, match="not a folder"):
        fill(tmp_path / "out", "a")


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.lists(names.filter(lambda name: name not in (".", "..", MARK, MANIFEST)), max_size=5, unique=True), names)
def test_files_of_any_name_are_known_again(made: list[str], another: str):
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder) / "out", *made)
        fill(Path(folder) / "out", *made)
        if another not in (*made, ".", "..", MARK):
            (Path(folder) / "out" / another).touch()
            with pytest.raises(BadInput):
                fill(Path(folder) / "out", *made)


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
    for _ in range(2):
        fill(tmp_path / "in" / name, name)
    assert contents(tmp_path / "in" / name) == {name}
