"""After any change of the images, `dvc repro` gives the bytes of a run from scratch, and does no work twice."""

import json
import random
import shutil
from hashlib import md5
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit import read_by, recording
from conftest import Project, run_stage, tree, write_images
from imagevae.conversion.last_run import known_digests
from imagevae.images.manifest import read_head

pytestmark = pytest.mark.slow

COUNT = 700  # one shard; 724 images make two


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project.new(tmp_path_factory.mktemp("incremental") / "project")
    write_images(project.folder / "data" / "mine", COUNT, size=9)
    project.change_params({"images": "data/mine", "resize": {"size": 8}})
    project.dvc("add", "data/mine")
    project.dvc("repro", "resize")
    project.commit("Images")
    return project


@pytest.fixture
def project(start: Project, tmp_path: Path) -> Project:
    return start.copy_to(tmp_path / "project")


def assert_as_from_scratch(project: Project, folder: Path) -> None:
    """Compare what DVC holds with what the scripts make by hand, where they find nothing to reuse."""
    shutil.rmtree(folder, ignore_errors=True)
    mine, rgb, resized = project.folder / "data" / "mine", folder / "rgb", folder / "resized"
    for stage, source, output in (("rgba2rgb", mine, rgb), ("resize", rgb, resized)):
        more = ("--size", 8) if stage == "resize" else ()
        result = run_stage(stage, "--input", source, "--output", output, "--format", "shards", *more)
        assert result.returncode == 0, result.stderr
        assert tree(project.folder / "data" / output.name) == tree(output)


def test_digests_are_known_of_files_that_did_not_change(project: Project, monkeypatch: pytest.MonkeyPatch):
    project.dvc("status")
    monkeypatch.chdir(project.folder)
    for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR"):
        monkeypatch.setenv(name, project.environment[name])
    folder = Path("data/mine")
    names = [file.relative_to(folder).as_posix() for file in folder.rglob("*.png")]
    assert list(known_digests(folder, names)) == []  # not a stage of DVC
    monkeypatch.setenv("DVC_ROOT", str(project.folder))
    digests = [md5((folder / name).read_bytes()).hexdigest() for name in names]
    assert list(known_digests(folder, [*names, "none.png", "a.tar/b.png"])) == [*digests, "", ""]
    edit(folder, "change", 1, 0)
    pairs = list(zip(known_digests(folder, names), digests, strict=True))
    assert sum(known != digest for known, digest in pairs) == 1
    assert sum(known == "" for known, _ in pairs) == 1


def edit(images: Path, kind: str, count: int, seed: int) -> None:
    """Add, change, delete, rename or move some of the images, or give one the content of another."""
    choice = random.Random(seed)
    files = sorted(images.rglob("*.png"))
    chosen = choice.sample(files, min(count, len(files) - 10))
    if kind == "add":
        write_images(images / f"more {seed}", count, size=9, seed=seed)
    for file in chosen:
        if kind == "change":
            write_images(images / "new", 1, size=9, seed=seed + 1)
            (images / "new" / "0000.png").replace(file)
        elif kind == "delete":
            file.unlink()
        elif kind == "rename":
            file.rename(file.with_name(f"{seed} {file.name}"))
        elif kind == "move":
            (images / f"sub {seed % 3}").mkdir(exist_ok=True)
            file.rename(images / f"sub {seed % 3}" / f"{seed} {file.name}")
        elif kind == "copy":
            file.write_bytes(choice.choice(files).read_bytes())


edits = st.tuples(
    st.sampled_from(["add", "change", "delete", "rename", "move", "copy"]), st.integers(1, 40), st.integers(0, 999)
)


@given(sequence=st.lists(edits, min_size=1, max_size=3))
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_sequence_of_edits_gives_the_bytes_of_a_run_from_scratch(
    sequence: list, start: Project, tmp_path_factory: pytest.TempPathFactory
):
    folder = tmp_path_factory.mktemp("edits")
    project = start.copy_to(folder / "project")
    for step in sequence:
        edit(project.folder / "data" / "mine", *step)
        project.dvc("repro", "--no-commit", "resize") if step[2] % 5 == 0 else project.dvc("repro", "resize")
        assert_as_from_scratch(project, folder / "scratch")
    shutil.rmtree(folder)


def read(opened: Path) -> list[str]:
    """The images that the first stage has read."""
    return [Path(path).name for path in read_by("rgba2rgb", opened) if path.endswith(".png")]


def test_only_new_images_are_read_and_only_their_shards_written(project: Project, tmp_path: Path):
    mine = project.folder / "data" / "mine"
    write_images(mine / "first", 600, size=9, seed=1)  # two shards from here on
    project.dvc("repro", "resize")
    before = tree(project.folder / "data" / "rgb")
    project.environment |= recording(tmp_path / "opened")
    write_images(mine / "second", 1, size=9, seed=2)
    project.dvc("repro", "resize")
    assert read(tmp_path / "opened") == ["0000.png"]
    after = tree(project.folder / "data" / "rgb")
    assert len(after) == 3
    assert sum(after[name] != before[name] for name in after) == 2  # the manifest and one shard
    assert_as_from_scratch(project, tmp_path / "scratch")


def test_going_back_restores_without_running(project: Project):
    file = project.folder / "data" / "mine" / "0000.png"
    old = file.read_bytes()
    write_images(file.parent, 1, size=9, seed=7)
    assert "Running stage" in project.dvc("repro", "resize")
    file.write_bytes(old)
    assert "Running stage" not in project.dvc("repro", "resize")


@pytest.mark.parametrize("missing", ["cache", "lock", "shard", "manifest", "cut", "damaged"])
def test_where_something_is_missing_the_work_is_done_in_full(missing: str, project: Project, tmp_path: Path):
    output = project.folder / "data" / "rgb"
    cache = project.folder / ".dvc" / "cache" / "files" / "md5"
    [shard] = output.glob("*.tar")
    name = {"shard": shard, "cut": shard, "damaged": shard, "manifest": output / "manifest.jsonl"}.get(missing)
    if missing == "cache":
        shutil.rmtree(cache)
    elif missing == "lock":
        (project.folder / "dvc.lock").unlink()
    else:
        [cached] = [file for file in cache.rglob("*") if file.is_file() and file.read_bytes() == name.read_bytes()]
        content = cached.read_bytes()
        cached.chmod(0o644)
        cached.unlink()
        if missing == "cut":
            cached.write_bytes(content[: len(content) // 2])
        elif missing == "damaged":
            cached.write_bytes(content[:600] + bytes([content[600] ^ 1]) + content[601:])
    if missing == "damaged":
        (project.folder / "data" / "mine" / "notes.txt").write_text("all shards stay the same")
    else:
        edit(project.folder / "data" / "mine", "add", 3, 5)
    project.dvc("repro", "resize")
    assert_as_from_scratch(project, tmp_path / "scratch")


def test_another_machine_and_a_temporary_workspace_reuse_what_is_there(project: Project, tmp_path: Path):
    project.dvc("remote", "add", "--default", "shared", tmp_path / "remote")
    project.commit("A remote")
    project.dvc("push")
    clone = project.clone_to(tmp_path / "clone")
    clone.dvc("pull", "data/mine", "resize", "rgba2rgb")
    clone.environment |= recording(tmp_path / "opened")
    write_images(clone.folder / "data" / "mine" / "more", 2, size=9, seed=3)
    clone.dvc("repro", "resize")
    assert sorted(read(tmp_path / "opened")) == ["0000.png", "0001.png"]
    assert_as_from_scratch(clone, tmp_path / "scratch")
    clone.dvc("add", "data/mine")
    clone.commit("More images")
    clone.dvc("exp", "run", "--temp", "--name", "white", "--set-param", "rgba2rgb.background=white", "resize")
    shown = json.dumps(json.loads(clone.dvc("exp", "show", "--json")))
    assert "white" in shown


def test_one_bad_image_costs_nothing_but_itself(project: Project, tmp_path: Path):
    mine = project.folder / "data" / "mine"
    (mine / "bad.png").write_bytes((mine / "0000.png").read_bytes()[:50])
    project.dvc("repro", "resize")
    manifest = read_head(project.folder / "data" / "rgb" / "manifest.jsonl")
    assert list(manifest.rejected) == ["bad.png"]
    assert manifest.counts["images"] == COUNT
    write_images(mine / "more", 1, size=9, seed=4)
    project.dvc("repro", "resize")
    assert_as_from_scratch(project, tmp_path / "scratch")
    for number in range(10):
        (mine / f"bad {number}.png").write_bytes(b"")
    project.dvc("repro", "resize", status=255)
    assert not (project.folder / "data" / "rgb").exists()
    for number in range(10):
        (mine / f"bad {number}.png").unlink()
    project.dvc("repro", "resize")
    assert_as_from_scratch(project, tmp_path / "scratch")
