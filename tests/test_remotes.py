"""Remotes on real servers, set up as docs/sharing.md says: whatever breaks off, what arrives in the end is whole."""

import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from audit import killed_at_size
from conftest import ROOT, Project, run_here, tree
from pages import console
from servers import SECRET, USER, Server

pytestmark = [pytest.mark.slow, pytest.mark.sharing]

SECTIONS = {"folder": "A folder", "s3": "S3", "ssh": "SSH", "webdav": "WebDAV", "http": "HTTP"}


@dataclass
class Remote:
    """A remote on a server, or without one a folder, and where its objects end up."""

    kind: str
    storage: Path
    server: Server | None

    def set_up(self, project: Project, *, local: bool, secret: str = SECRET) -> None:
        """Run the commands of the documentation: those with --local, or those without."""
        here = {"/mnt/models": str(self.storage), "SECRET": shlex.quote(secret), "colleague": USER}
        if self.server:
            here |= {"example.org": f"127.0.0.1:{self.server.port}", "https:": "http:", "webdavs:": "webdav:"}
        for line in console(ROOT / "docs" / "sharing.md", SECTIONS[self.kind]):
            for documented, there in here.items():
                line = line.replace(documented, there)
            words = shlex.split(line, comments=True)
            if words[:2] == ["dvc", "remote"] and ("--local" in words) == local:
                project.dvc_here(*words[1:])

    def break_off(self, project: Project, command: list[object], way: str, size: int) -> str:
        """Run a command of DVC, and kill the server after so many bytes; without a server DVC, in a file of so many."""
        if self.server:
            self.server.start(**{way: size})
            failed = project.run(*command, AWS_MAX_ATTEMPTS="1")
            assert failed.returncode > 0
            assert not self.server.alive(), failed.stderr
            self.server.start()
        else:
            failed = project.run(*command, **killed_at_size(project.folder.with_name("limit"), "dvc", size))
            assert failed.returncode == -signal.SIGXFSZ
        return failed.stderr


@pytest.fixture(params=SECTIONS)
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Remote]:
    kind, storage = request.param, tmp_path / "storage"
    missing = [f"dvc_{kind}"] if kind in ("s3", "ssh", "webdav") and not importlib.util.find_spec(f"dvc_{kind}") else []
    missing += ["rclone"] if kind in ("s3", "webdav", "http") and not shutil.which("rclone") else []
    if missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            f"needs {' and '.join(missing)}: make test installs them"
        )
    for there_already in {"s3": ["bucket"], "webdav": ["path", "another"]}.get(kind, [""]):
        (storage / there_already).mkdir(parents=True)
    if kind == "folder":
        yield Remote(kind, storage, None)
    else:
        with Server(kind, storage) as server:
            yield Remote(kind, storage, server)


def whole_objects(folder: Path) -> set[str]:
    """The digests that DVC takes objects in a folder for; each must be that of the object's bytes."""
    found = set()
    for file in folder.rglob("*"):
        if digest := re.search(r"files/md5/(..)/([0-9a-f]{30})(\.dir)?$", file.as_posix()):
            assert hashlib.md5(file.read_bytes()).hexdigest() == digest[1] + digest[2], file
            found.add("".join(digest.groups("")))
    return found


def kept_by_dvc(project: Project) -> set[str]:
    """The objects that the project's outputs consist of, without those that git keeps."""
    found = set()
    for path, digest in project.digests().items():
        if not project.git("ls-files", path):
            found.add(digest)
            if digest.endswith(".dir"):
                listed = project.folder / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]
                found |= {entry["md5"] for entry in json.loads(listed.read_text())}
    return found


def model_path(project: Project) -> str:
    """Where the model lies among the objects."""
    digest = hashlib.md5((project.folder / "data" / "model" / "vae.keras").read_bytes()).hexdigest()
    return f"files/md5/{digest[:2]}/{digest[2:]}"


def samples(project: Project, folder: Path) -> dict[str, bytes]:
    result = run_here("sample", "--model", project.folder / "data/model/vae.keras", "--output", folder, "--count", 5)
    assert result.returncode == 0, result.stderr
    return tree(folder)


def without_records(project: Project) -> dict[str, bytes]:
    """The files of a clone, without what DVC notes for itself."""
    files = tree(project.folder)
    return {name: files[name] for name in files if not name.startswith((".dvc/tmp/", ".git/")) or "config" in name}


def parts_are_not_pulled(remote: Remote, owner: Project, clone: Project, half: int) -> None:
    """What a server that died may leave under the name of a whole object is refused, and given up for another path."""
    owner.dvc("push")
    os.truncate(remote.storage / "path" / model_path(owner), half)
    remote.set_up(clone, local=True)
    clone.dvc("pull", "data/model", status=1)
    whole_objects(clone.folder / ".dvc" / "cache")
    remote.storage /= "another"
    owner.dvc_here("remote", "modify", "storage", "url", f"webdav://127.0.0.1:{remote.server.port}/another")
    owner.commit("Another path")
    clone.git("pull", "--quiet")


def test_what_breaks_off_is_made_up_for(remote: Remote, tiny: Project, tmp_path: Path):
    half = (tiny.folder / "data" / "model" / "vae.keras").stat().st_size // 2
    every = kept_by_dvc(tiny)
    remote.set_up(tiny, local=False)
    remote.set_up(tiny, local=True)
    tiny.commit("A remote")
    assert tiny.run("git", "grep", "--quiet", SECRET, "--", ".dvc").returncode == 1
    clone = tiny.clone_to(tmp_path / "clone")
    push, pull = ["dvc", "push"], ["dvc", "pull", "data/model"]
    if remote.kind == "http":
        tiny.dvc_here("remote", "add", "--local", "served", remote.storage / "path")
        push += ["--remote", "served"]
    else:
        remote.break_off(tiny, push, "up", half)
    if remote.kind == "webdav":
        parts_are_not_pulled(remote, tiny, clone, half)
    assert whole_objects(remote.storage) < every
    tiny(*push)
    assert whole_objects(remote.storage) == every

    if remote.server:
        remote.set_up(clone, local=True, secret="wrong")
        before = without_records(clone)
        refused = clone.run(*pull)
        assert refused.returncode > 0
        assert "ERROR: " in refused.stderr
        assert without_records(clone) == before
        remote.set_up(clone, local=True)
    remote.break_off(clone, pull, "down", half)
    assert not (clone.folder / "data" / "model").exists()
    whole_objects(clone.folder / ".dvc" / "cache")
    clone(*pull)
    if remote.kind == "http":
        with_credentials = ["--remote-config", f"user={USER}", f"password={SECRET}"]
        clone.dvc("get", tiny.folder, "data/model", "--out", tmp_path / "got", *with_credentials)
        assert tree(tmp_path / "got") == tree(tiny.folder / "data" / "model")
    assert clone.git("status", "--porcelain") == ""
    assert not (clone.folder / "data" / "resized").exists()
    assert samples(clone, tmp_path / "theirs") == samples(tiny, tmp_path / "ours")
