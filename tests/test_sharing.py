"""Sharing the project and its model: clones, and the ways to get a model that docs/sharing.md shows."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT, Project


def pins(file: str) -> dict[str, set[str]]:
    """The lines of a file of requirements by package: versions, and where they apply."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)(==.*)$", (ROOT / file).read_text(), flags=re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_what_remotes_need_leaves_every_pinned_version_alone():
    core, remotes = pins("requirements.txt"), pins("requirements-remotes.txt")
    assert {"dvc", "fsspec", "asyncssh"} <= set(core) & set(remotes)
    assert {name for name in core if name in remotes and remotes[name] != core[name]} == set()


def test_make_installs_the_plugins_that_are_asked_for_within_their_pins(tmp_path: Path):
    printed = subprocess.run(
        ["make", "--dry-run", "setup", "REMOTES=s3 webdav"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    *_, line = printed.stdout.splitlines()
    assert line.split()[-4:] == ["-c", "requirements-remotes.txt", "dvc-s3", "dvc-webdav"]
    asked = re.findall(r"^dvc-\w+$", (ROOT / "requirements-remotes.in").read_text(), flags=re.MULTILINE)
    assert set(asked) <= set(pins("requirements-remotes.txt"))


@pytest.mark.slow
def test_a_clone_by_a_git_that_likes_other_line_ends_is_unchanged(reproduced: Project, tmp_path: Path):
    clone = reproduced.clone_to(tmp_path / "clone", "--config", "core.autocrlf=true")
    assert clone.git("status", "--porcelain") == ""
    clone.dvc("cache", "dir", "--local", reproduced.folder / ".dvc" / "cache")
    clone.dvc("checkout")
    assert json.loads(clone.dvc("status", "--json")) == {}
