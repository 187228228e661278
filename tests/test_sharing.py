"""Sharing the project and its model: clones, and the ways to get a model that docs/sharing.md shows."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from conftest import ROOT, Project, run_here, tree
from pages import FENCE, console, section
from servers import GitServer


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
        ["make", "--dry-run", "--no-print-directory", "setup", "REMOTES=s3 webdav"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    *_, line = printed.stdout.splitlines()
    assert line.split()[-4:] == ["-c", "requirements-remotes.txt", "dvc-s3", "dvc-webdav"]
    asked = re.findall(r"^dvc-\w+$", (ROOT / "requirements-remotes.in").read_text(), flags=re.MULTILINE)
    assert set(asked) <= set(pins("requirements-remotes.txt"))


@pytest.mark.slow
@pytest.mark.sharing
def test_a_clone_by_a_git_that_likes_other_line_ends_is_unchanged(reproduced: Project, tmp_path: Path):
    clone = reproduced.clone_to(tmp_path / "clone", "--config", "core.autocrlf=true")
    assert clone.git("status", "--porcelain") == ""
    clone.dvc("cache", "dir", "--local", reproduced.folder / ".dvc" / "cache")
    clone.dvc("checkout")
    assert json.loads(clone.dvc("status", "--json")) == {}


PAGE = ROOT / "docs" / "sharing.md"


@pytest.fixture(scope="module")
def published(reproduced: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose model is in a remote and has a version."""
    folder = tmp_path_factory.mktemp("published")
    project = reproduced.copy_to(folder / "project")
    project.dvc_here("remote", "add", "--default", "storage", folder / "storage")
    project.commit("A remote")
    project.dvc_here("push", "data/model")
    [register] = [line for line in console(PAGE, "A model without a clone") if line.startswith("gto ")]
    project(*shlex.split(register, comments=True))
    project.git("tag", "v1.0.0")
    return project


@pytest.fixture(params=["folder", "server"])
def repository(request: pytest.FixtureRequest, published: Project, tmp_path: Path) -> Iterator[str]:
    """The address of the project: its folder, or a git server's."""
    if request.param == "folder":
        yield str(published.folder)
    else:
        published.git("clone", "--quiet", "--bare", published.folder, tmp_path / "served.git")
        with GitServer(tmp_path) as server:
            yield f"{server.address}/served.git"


@pytest.mark.slow
@pytest.mark.sharing
def test_a_model_is_got_without_a_clone(repository: str, published: Project, tmp_path: Path):
    mine = Project(tmp_path / "mine")
    mine.folder.mkdir()
    mine.git("init", "--quiet")
    mine.dvc_here("init", "--quiet")
    model = published.folder / "data" / "model" / "vae.keras"
    for line in console(PAGE, "A model without a clone"):
        words = shlex.split(line.replace("REPO", repository), comments=True)
        if words[0] == "dvc":
            mine.dvc_here(*words[1:])
            made = mine.folder / dict(pairwise(words)).get("--out", "robots")
            assert tree(made) == tree(model.parent) if made.is_dir() else made.read_bytes() == model.read_bytes()
    [example] = [code for kind, code in FENCE.findall(section(PAGE, "A model without a clone")) if kind == "python"]
    names: dict[str, object] = {}
    exec(example.replace("REPO", repository), names)
    assert names["content"] == model.read_bytes()
    got = mine.folder / "model" / "vae.keras"
    sampled = run_here("sample", "--model", got, "--output", tmp_path / "samples", "--count", 2)
    assert sampled.returncode == 0, sampled.stderr


@pytest.mark.slow
@pytest.mark.sharing
def test_without_its_plugin_a_remote_is_named_with_what_is_missing(tiny: Project):
    tiny.dvc_here("remote", "add", "--default", "storage", "oss://bucket/path")
    said = tiny.run("dvc", "push").stderr
    assert "requires 'dvc-oss' to be installed" in said
    assert "is supported, but requires 'dvc-s3' to be installed" in PAGE.read_text()


@pytest.mark.slow
@pytest.mark.sharing
def test_what_keeps_dvc_from_going_on(tiny: Project, tmp_path: Path):
    lock = tiny.folder / ".dvc" / "tmp" / "rwlock"
    lock.write_text("")
    assert "Unable to read RWLock-file" in tiny.run("dvc", "repro").stderr
    lock.unlink()
    assert "cannot dump a parametrized stage" in tiny.run("dvc", "freeze", "train").stderr
    declared = tiny.folder / "dvc.yaml"
    declared.write_text(declared.read_text().replace("  train:\n", "  train:\n    frozen: true\n", 1))
    tiny.change_params({"train": {"epochs": 5}})
    assert "Running" not in tiny.dvc("repro", "--dry")
    tiny.git("checkout", "--quiet", ".")
    elsewhere = tiny.copy_to(tmp_path / "Übung")
    refused = elsewhere.run("dvc", "exp", "run", "--temp", "--set-param", "evaluate.shown=5")
    assert "'ascii' codec can't encode" in refused.stderr
