"""Image stages on a Dask cluster: a real scheduler and two worker processes give the bytes of a local run."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from conftest import ROOT, assert_refused, run_here, run_stage, tree, write_images
from imagevae.cli.errors import BadInput
from imagevae.conversion.convert import convert_source
from imagevae.conversion.shard import Converted, Recipe
from imagevae.images.codec import decode, flatten
from imagevae.images.encoding import encode_png

pytest.importorskip("distributed")
pytestmark = [pytest.mark.slow, pytest.mark.extras]


@contextmanager
def started(command: str, *arguments: str, sign: str) -> Iterator[str]:
    """Run a process of Dask, give the line of its log that holds `sign`, and end it."""
    words = [sys.executable, "-m", "dask", command, *arguments]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield next(line for line in process.stderr if sign in line)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    local = ("--host", "tcp://127.0.0.1", "--port", "0", "--no-dashboard")
    with started("scheduler", *local, sign="Scheduler at:") as line:
        yield line.split()[-1]


def worker(scheduler: str) -> AbstractContextManager[str]:
    return started("worker", scheduler, "--nthreads", "1", "--no-nanny", "--no-dashboard", sign="Registered to:")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    write_images(tmp_path / "images", 1500, size=8)  # four shards
    (tmp_path / "images" / "bad.png").write_bytes(b"no image")
    return tmp_path / "images"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process waits for what does not come no longer than it takes to be sure."""
    monkeypatch.setattr("imagevae.conversion.dask_cluster.PATIENCE", 2)


def test_stages_give_the_bytes_of_a_local_run(scheduler: str, images: Path, tmp_path: Path):
    with worker(scheduler), worker(scheduler):
        for where, more in (("here", ()), ("there", ("--scheduler", scheduler))):
            source = images
            for stage in ("rgba2rgb", "resize"):
                output = tmp_path / where / stage
                result = run_stage(stage, "--input", source, "--output", output, "--format", "shards", *more)
                assert result.returncode == 0, result.stderr
                source = output
        assert len(tree(tmp_path / "here" / "resize")) == 5
        assert tree(tmp_path / "here") == tree(tmp_path / "there")
        packed = shutil.make_archive(str(tmp_path / "packed"), "zip", images)
        paths = ("--input", packed, "--output", tmp_path / "out", "--format", "shards", "--scheduler", scheduler)
        assert_refused(run_stage("rgba2rgb", *paths), "--scheduler", "zips")


def test_a_worker_that_dies_half_way_changes_nothing(scheduler: str, images: Path, tmp_path: Path):
    killed = tmp_path / "killed"
    last = (images / "1499.png").read_bytes()

    def convert(data: bytes, deadly: bool = True) -> Converted:
        if deadly and data == last and not killed.exists():
            killed.write_text(str(os.getpid()))
            os.kill(os.getpid(), signal.SIGKILL)
        return Converted((8, 8), encode_png(flatten(decode(data), (0, 0, 0))))

    with worker(scheduler), worker(scheduler):
        convert_source(images, tmp_path / "there", Recipe(convert, {}), True, 0.01, None, scheduler)
    assert int(killed.read_text()) != os.getpid()
    convert_source(images, tmp_path / "here", Recipe(convert, {}), True, 0.01, None)
    assert tree(tmp_path / "here") == tree(tmp_path / "there")
    assert len(tree(tmp_path / "here")) == 5


@pytest.mark.usefixtures("impatient")
def test_a_cluster_whose_last_worker_dies_is_reported_and_not_waited_for(scheduler: str, images: Path, tmp_path: Path):
    def convert(data: bytes) -> Converted:
        os.kill(os.getpid(), signal.SIGKILL)
        return Converted((8, 8), data)

    with worker(scheduler), pytest.raises(BadInput, match="last worker is gone"):
        convert_source(images, tmp_path / "out", Recipe(convert, {}), True, 0.01, None, scheduler)
    assert list(tmp_path.iterdir()) == [images]


def test_where_dask_is_not_installed_that_is_reported_in_one_line(images: Path, tmp_path: Path):
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "distributed.py").write_text("raise ModuleNotFoundError('No module named distributed')")
    paths = ("--input", images, "--output", tmp_path / "out", "--format", "shards", "--scheduler", "tcp://127.0.0.1:9")
    result = run_stage("rgba2rgb", *paths, env={**os.environ, "PYTHONPATH": str(absent)})
    assert_refused(result, "--scheduler", "requirements-dask.txt")
    assert sorted(tmp_path.iterdir()) == [absent, images]


@pytest.mark.usefixtures("impatient")
def test_a_missing_cluster_is_reported_in_one_line(scheduler: str, images: Path, tmp_path: Path):
    def refused(address: str, *culprits: str) -> None:
        paths = ("--input", images, "--output", tmp_path / "out", "--scheduler", address)
        assert_refused(run_here("rgba2rgb", *paths, "--format", "shards"), "--scheduler", *culprits)
        assert list(tmp_path.iterdir()) == [images]

    refused("tcp://127.0.0.1:9", "no Dask scheduler")
    refused("nonsense", "no Dask scheduler")
    refused(scheduler, "no worker")
    assert_refused(run_stage("rgba2rgb", "--input", images, "--output", "out", "--scheduler", scheduler), "--format")


def test_a_worker_that_has_loaded_other_code_is_refused(scheduler: str, tmp_path: Path):
    write_images(tmp_path / "images", 3)
    shutil.copytree(ROOT / "stages", tmp_path / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    words = [sys.executable, tmp_path / "stages" / "rgba2rgb.py", "--input", tmp_path / "images", "--output"]
    words += [tmp_path / "out", "--format", "shards", "--scheduler", scheduler]

    def run() -> subprocess.CompletedProcess:
        return subprocess.run(words, capture_output=True, text=True)

    with worker(scheduler):
        assert run().returncode == 0
        with (tmp_path / "stages" / "imagevae" / "images" / "codec.py").open("a") as file:
            file.write("# changed")
        assert_refused(run(), "other code")
    with worker(scheduler):
        assert run().returncode == 0
