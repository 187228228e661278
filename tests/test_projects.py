"""The project inside others, and several folders of images in one, as docs/projects.md says."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from audit import read_by, recording
from conftest import ROOT, Project, run_here, stages_run, tree, write_images
from pages import FENCE, console, section

pytestmark = [pytest.mark.slow, pytest.mark.sharing]

PAGE = ROOT / "docs" / "projects.md"
INSIDE = "In a DVC project that you have already"


def lines(heading: str, start: str) -> list[list[str]]:
    """The documented commands that begin with a word, each as its words."""
    found = [shlex.split(line, comments=True) for line in console(PAGE, heading) if line.startswith(f"{start} ")]
    assert found
    return found


@pytest.mark.parametrize("way", ["of its own", "part of another"])
def test_inside_another_repository(way: str, tiny: Project, tmp_path: Path):
    """Under a path with spaces and letters; with the cache of another clone; moved after the first run."""
    outer = Project(tmp_path / "größeres Projekt")
    outer.folder.mkdir()
    outer.git("init", "--quiet")
    outer.set_user()
    [archive] = [line for line in console(PAGE, INSIDE) if line.startswith("git ")]
    outer("bash", "-c", archive.replace("dvc-vae", shlex.quote(str(tiny.folder))).replace("REPOSITORY", "."))
    if way == "part of another":
        outer.dvc_here("init", "--quiet")
        [remove] = lines(INSIDE, "rm")
        outer(*remove)
    inner = Project(outer.folder / "models" / "vae")
    inner.environment = dict(outer.environment)
    [shared] = lines(INSIDE, "dvc")
    inner.dvc_here(*shared[1:-1], tiny.folder / ".dvc" / "cache")
    inner.dvc_here("checkout", "--quiet")
    outer.commit("The project")
    assert stages_run(inner.dvc("repro")) == []
    assert outer.git("status", "--porcelain") == ""

    write_images(inner.folder / "data" / "mine", 5)
    inner.change_params({"images": "data/mine"})
    assert stages_run(inner.dvc("repro", "resize")) == ["rgba2rgb", "resize"]
    inner.folder = outer.folder.rename(tmp_path / "moved") / "models" / "vae"
    write_images(inner.folder / "data" / "mine" / "more", 1, seed=1)
    inner.environment |= recording(tmp_path / "opened")
    assert stages_run(inner.dvc("repro", "resize")) == ["rgba2rgb", "resize"]
    images = [path for path in read_by("rgba2rgb", tmp_path / "opened") if path.endswith(".png")]
    assert images == ["data/mine/more/0000.png"]


@pytest.mark.parametrize("link", ["symlink", "hardlink"])
def test_no_stage_writes_through_a_link_into_the_cache(link: str, tiny: Project, monkeypatch: pytest.MonkeyPatch):
    """All that follows a change of the background is other bytes."""
    tiny.dvc_here("config", "cache.type", link)
    tiny.dvc_here("checkout", "--quiet", "--relink")
    for linked in (tiny.folder / "data" / "model" / "vae.keras", tiny.folder / "metrics" / "report.html"):
        assert linked.is_symlink() if link == "symlink" else linked.stat().st_nlink == 2
        assert linked.stat().st_mode & 0o222 == 0
    cache = tiny.folder / ".dvc" / "cache" / "files"
    before = tree(cache)
    commands = re.findall(
        r"^> python stages/(\w+)\.py (.*)$", tiny.dvc("repro", "--force", "--dry"), flags=re.MULTILINE
    )
    assert [stage for stage, _ in commands] == ["robots", "rgba2rgb", "resize", "train", "sample", "evaluate"]
    changes = {"rgba2rgb": ("--background", "white"), "train": ("--epochs", 1, "--flow_steps", 0)}
    monkeypatch.chdir(tiny.folder)
    for stage, words in commands[1:]:
        result = run_here(stage, *shlex.split(words), *changes.get(stage, ()))
        assert result.returncode == 0, result.stderr
    assert tree(cache) == before
    model = tiny.folder / "data" / "model" / "vae.keras"
    assert model.read_bytes() not in before.values()

    tiny.dvc_here("checkout", "--quiet", "--force")
    tiny.change_params({"rgba2rgb": {"background": "white"}})
    assert stages_run(tiny.dvc("repro", "resize")) == ["rgba2rgb", "resize"]
    assert before.items() <= tree(cache).items()


def test_one_of_several_folders_of_images_is_reproduced_and_the_others_are_left_alone(tiny: Project, tmp_path: Path):
    heading = "Several folders of images"
    project = tiny.clone_to(tmp_path / "clone")
    project.dvc_here("cache", "dir", "--local", tiny.folder / ".dvc" / "cache")
    project.dvc_here("checkout", "--quiet")
    [example] = [code for kind, code in FENCE.findall(section(PAGE, heading)) if kind == "yaml"]
    for seed, name in enumerate(("cats", "dogs")):
        write_images(project.folder / "data" / name, 6, seed=seed)
        for program in ("mkdir", "cp", "ln"):
            [command] = lines(heading, program)
            project(*[word.replace("cats", name) for word in command])
        own = Project(project.folder / name)
        own.change_params(yaml.safe_load(example.replace("cats", name)))
        assert stages_run(project.dvc("repro", f"{name}/dvc.yaml:resize")) == ["rgba2rgb", "resize"]
    assert stages_run(project.dvc("repro")) == []
    project.commit("Cats and dogs")
    dogs = tree(project.folder / "dogs")
    write_images(project.folder / "data" / "cats" / "more", 1, seed=2)
    assert stages_run(project.dvc("repro", "cats/dvc.yaml:resize")) == ["rgba2rgb", "resize"]
    assert stages_run(project.dvc("repro", "dogs/dvc.yaml:resize", "dvc.yaml")) == []
    assert tree(project.folder / "dogs") == dogs
    changed = {line[3:] for line in project.git("status", "--porcelain").splitlines()}
    assert changed == {"cats/dvc.lock", "cats/metrics/rgb.png", "cats/metrics/resized.png", "data/cats/more/"}
