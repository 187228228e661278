"""`dvc repro` of image stages that are killed and stopped at any moment: in the end nothing of that shows."""

import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit import at_moment, waiting
from conftest import Project, tree, write_images

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Project]:
    """A project before `dvc repro resize`, and a copy of it after that."""
    project = Project.new(tmp_path_factory.mktemp("interruptions") / "project")
    write_images(project.folder / "data" / "mine", 30, size=9)
    project.change_params({"images": "data/mine", "resize": {"size": 8}})
    after = project.copy_to(project.folder.with_name("undisturbed"))
    after.dvc("repro", "resize")
    return project, after


def assert_same_results(project: Project, undisturbed: Project) -> None:
    assert (project.folder / "dvc.lock").read_bytes() == (undisturbed.folder / "dvc.lock").read_bytes()
    for folder in ("data", "metrics"):
        assert tree(project.folder / folder) == tree(undisturbed.folder / folder)


def test_dvc_repro_after_any_interruption_gives_what_an_undisturbed_one_gives(
    undisturbed: tuple[Project, Project], tmp_path: Path
):
    """Stages are killed and stopped while they read and write, some of them together with DVC; then it runs again."""
    project = undisturbed[0].copy_to(tmp_path / "project")
    plain = dict(project.environment)
    for stage, where, moment, action in (
        ("rgba2rgb", "data/mine", 20, "os.kill(os.getpid(), 9)"),
        ("rgba2rgb", ".rgb.partial/manifest", 1, "os.killpg(0, 9)"),
        ("rgba2rgb", "data/mine", 7, "os.killpg(0, 2)"),
        ("rgba2rgb", "rgb.png.partial", 1, "os.killpg(0, 9)"),
        ("resize", "data/rgb", 20, "os.kill(os.getpid(), 9)"),
        ("resize", ".resized.partial/0", 1, "os.killpg(0, 2)"),
        ("resize", "data/rgb", 3, "os.killpg(0, 9)"),
    ):
        project.environment = plain | at_moment(tmp_path / "hook", stage, where, moment, action)
        assert interrupted(project) != 0, (stage, where, moment, action)
    project.environment = plain
    project.dvc("repro", "resize")
    assert_same_results(project, undisturbed[1])


@pytest.mark.skipif(sys.platform != "linux", reason="names the process that holds a lock on Linux")
def test_a_stage_that_a_killed_dvc_left_running_keeps_a_second_one_out(
    undisturbed: tuple[Project, Project], tmp_path: Path
):
    project = undisturbed[0].copy_to(tmp_path / "project")
    environment = project.environment | waiting(tmp_path / "hook", "rgba2rgb", ".rgb.partial/0", 1)
    command = ["dvc", "repro", "resize"]
    first = subprocess.Popen(command, cwd=project.folder, env=environment, stdout=subprocess.DEVNULL)
    with (tmp_path / "hook" / "fifo").open("w"):
        first.kill()
        first.wait()
        second = subprocess.run(command, cwd=project.folder, env=project.environment, capture_output=True, text=True)
        assert second.returncode != 0
        [process] = re.findall(r"data/rgb: another run is writing it, process (\d+); wait", second.stderr)
        assert "rgba2rgb.py" in Path("/proc", process, "cmdline").read_text()
        left = os.pidfd_open(int(process))
    select.select([left], [], [])  # until it has ended
    os.close(left)
    project.dvc("repro", "resize")
    assert_same_results(project, undisturbed[1])


moments = st.one_of(
    *(st.tuples(st.just(where), st.integers(1, most)) for where, most in (("data/", 70), ("metrics/", 3), ("", 1000)))
)


@given(kills=st.lists(st.tuples(st.sampled_from(["rgba2rgb", "resize"]), moments), min_size=2, max_size=4))
@settings(max_examples=3)
def test_stages_may_be_killed_at_random_moments(
    kills: list, undisturbed: tuple[Project, Project], tmp_path_factory: pytest.TempPathFactory
):
    """Killed at the nth file that they open, of all or of some; where that many are not opened they end well."""
    folder = tmp_path_factory.mktemp("kills")
    project = undisturbed[0].copy_to(folder / "project")
    plain = dict(project.environment)
    for stage, (where, moment) in kills:
        project.environment = plain | at_moment(folder / "hook", stage, where, moment, "os.kill(os.getpid(), 9)")
        interrupted(project)
    project.environment = plain
    project.dvc("repro", "resize")
    assert_same_results(project, undisturbed[1])


def interrupted(project: Project) -> int:
    """Exit status of a `dvc repro resize` in a process group of its own."""
    process = subprocess.Popen(
        ["dvc", "repro", "resize"],
        cwd=project.folder,
        env=project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    return process.wait(timeout=300)
