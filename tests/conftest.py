"""What the tests share: running a stage as a user does, small images, and a copy of the project to work in."""

import ctypes
import fcntl
import importlib
import io
import os
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import click
import cv2
import hypothesis
import numpy as np
import pytest
import yaml

from audit import recording
from imagevae.cli import command
from imagevae.cli.ours import MARK
from imagevae.dataset.squares import Images, in_memory
from imagevae.model.backend import NOWHERE

ROOT = Path(__file__).parents[1]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
STAGES: dict[str, dict] = {
    name: stage
    for file in (ROOT / "dvc.yaml", ROOT / "data" / "dvc.yaml")
    for name, stage in yaml.safe_load(file.read_text())["stages"].items()
}

os.environ["KERAS_HOME"] = NOWHERE
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before JAX, where a test imports it, sets another for all stages

# Where a failure would stop a whole run, examples are the same each time; those who develop look for new ones.
hypothesis.settings.register_profile("untimed", deadline=None, derandomize="CI" in os.environ)
hypothesis.settings.load_profile("untimed")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one process run the tests of a file, and all files whose tests share what takes long to make; the files with
    the most slow tests first, so that none is left for the end."""
    files, groups, slow = defaultdict(set), {}, Counter[str]()
    for item in items:
        files[item.path] |= set(item.fixturenames)
    for path, fixtures in files.items():
        groups[path] = next((name for name in ("reproduced", "trained_on_jax") if name in fixtures), path.stem)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(groups[item.path]))
        slow[groups[item.path]] += item.get_closest_marker("slow") is not None
    items.sort(key=lambda item: (-slow[groups[item.path]], groups[item.path], item.path))


def pytest_collection_finish(session: pytest.Session) -> None:
    """End a run in which the processes would not keep to the groups, and wait for each other instead."""
    if getattr(session.config.option, "loadgroup", False) and not all("@" in item.nodeid for item in session.items):
        raise pytest.UsageError("this pytest-xdist does not keep tests of a group together: see tests/requirements.in")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a test by the place of its bytes, not by what they hold, which may be another thing in each process."""
    return argname if isinstance(val, bytes) else None


def flags(script: str, command: str = "") -> dict[str, click.Option]:
    """The flags of a script, or of one of its commands, by name."""
    main = importlib.import_module(script).main
    options = (main.commands[command] if command else main).params
    return {option.opts[0].removeprefix("--"): option for option in options if isinstance(option, click.Option)}


def run_stage(name: str, *arguments: object, **keywords) -> subprocess.CompletedProcess:
    """Run stages/NAME.py in a process of its own."""
    words = [sys.executable, str(ROOT / "stages" / f"{name}.py"), *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL, **keywords)


def run_here(name: str, *arguments: object) -> subprocess.CompletedProcess:
    """Run stages/NAME.py in this process, which has loaded Keras already. Each output must be a folder of its own."""
    words, stdout, stderr = [f"{name}.py", *map(str, arguments)], io.StringIO(), io.StringIO()
    main = importlib.import_module(name).main
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), redirect_stderr(stderr):
        patch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as end:
            command.run(main)
    return subprocess.CompletedProcess(words, end.value.code or 0, stdout.getvalue(), stderr.getvalue())


def assert_refused(result: subprocess.CompletedProcess, *culprits: object) -> None:
    """A user's mistake gives exit status 2 and one line that names the culprit, below a list of rejected images."""
    assert result.returncode == 2, result.stderr
    *rejected, line = result.stderr.splitlines()
    assert all(other.startswith("  ") or " left aside" in other or " rejected" in other for other in rejected)
    assert "error:" in line
    for culprit in culprits:
        assert str(culprit) in line


def without_privileges() -> None:
    """Let permissions hold for the superuser as well: drop CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH."""
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def write_images(folder: Path, count: int, size: int = 16, seed: int = 0) -> None:
    """Write smooth random RGBA images as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed)
    for number in range(count):
        small = noise.integers(0, 256, (4, 4, 4), np.uint8)
        cv2.imwrite(str(folder / f"{number:04}.png"), cv2.resize(small, (size, size), interpolation=cv2.INTER_CUBIC))


def once(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], object]) -> Path:
    """A folder that one of the processes which run tests fills, for all of them."""
    home = factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else factory.getbasetemp()
    folder, done = home / name, home / f"{name}.done"
    with (home / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # where another process failed
            folder.mkdir()
            fill(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 40 opaque images of 16 x 16 pixels."""
    folder = tmp_path_factory.mktemp("squares")
    write_images(folder / "rgba", 40)
    result = run_stage("rgba2rgb", "--input", folder / "rgba", "--output", folder / "rgb")
    assert result.returncode == 0, result.stderr
    return folder / "rgb"


def as_images(pictures: np.ndarray) -> Images:
    """An array of images, uint8 (n, size, size, 3), as a data set in memory."""
    return in_memory(pictures, [str(number) for number in range(len(pictures))])


TINY = (
    *("--latent_dim", 2, "--width", 4, "--epochs", 12, "--batch_size", 8, "--learning_rate", 0.03, "--held_out", 0.3),
    *("--network", "vector", "--flow_steps", 10),  # twice as many, since the flow of so few images is a narrow one
)
BRIEF = (*TINY, "--epochs", 1, "--flow_steps", 0)


@pytest.fixture(scope="session")
def trained(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model of two latents that was trained on `squares`, its curves, and what was said."""

    def train(folder: Path) -> None:
        result = run_stage("train", "--input", squares, *train_outputs(folder), *TINY)
        assert result.returncode == 0, result.stderr
        (folder / "stderr").write_text(result.stderr)

    return once(tmp_path_factory, "trained", train)


def train_outputs(folder: Path) -> list[object]:
    return ["--output", folder / "model" / "vae.keras", "--curves", folder / "curves"]


@pytest.fixture(scope="session")
def model_file(trained: Path) -> Path:
    return trained / "model" / "vae.keras"


def on(backend: str) -> dict[str, str]:
    """The environment of a stage on a backend of Keras's; what JAX compiles is kept for the next process."""
    return {**os.environ, "KERAS_BACKEND": backend, **JAX_CACHE}


JAX_CACHE = {
    "JAX_COMPILATION_CACHE_DIR": str(ROOT / ".pytest_cache" / "jax"),
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}


ON_JAX = (
    *(*TINY, "--batch_size", 7, "--epochs", 5, "--flip", "--shift", 1),  # batches of 7, 7, 7 and fewer
    *("--learning_rate", 0.01),  # slow enough that other last digits stay last digits
)


@pytest.fixture(scope="session")
def trained_on_jax(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and curves of a training on JAX, in one process and on one device."""

    def train(folder: Path) -> None:
        result = run_stage("train", "--input", squares, *train_outputs(folder), *ON_JAX, env=on("jax"))
        assert result.returncode == 0, result.stderr

    return once(tmp_path_factory, "trained on jax", train)


def tree(folder: Path) -> dict[str, bytes]:
    """The files below a folder with their contents."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def results(folder: Path) -> dict[str, bytes]:
    """What a stage wrote into its output folder, without the mark of that folder."""
    return {name: content for name, content in tree(folder).items() if name != MARK}


class Project:
    """A folder with a copy of this project, and commands that run in it, away from the user's own configuration."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "DVC_GLOBAL_CONFIG_DIR": f"{folder}.config",
            "DVC_SITE_CACHE_DIR": f"{folder}.cache",
            "DVC_NO_ANALYTICS": "1",
        }

    @classmethod
    def new(cls, folder: Path) -> "Project":
        """Copy the files of this project, as they are now, into a repository of their own."""
        project = cls(folder)
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0"):
            if (ROOT / name).is_file() and Path(name).name != "dvc.lock" and not name.startswith("metrics/"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, folder / name)
        project.git("init", "--quiet")
        project.set_user()
        project.commit("The project")
        return project

    def copy_to(self, folder: Path) -> "Project":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)

    def clone_to(self, folder: Path, *options: str) -> "Project":
        """What a colleague gets: the git repository, without DVC's cache."""
        self.git("clone", "--quiet", *options, self.folder, folder)
        clone = Project(folder)
        clone.set_user()
        return clone

    def set_user(self) -> None:
        self.git("config", "user.name", "Test")
        self.git("config", "user.email", "test@example.org")

    def run(self, *command: object, **environment: str) -> subprocess.CompletedProcess:
        """Run a command, with an addition to the environment."""
        return subprocess.run(
            [str(word) for word in command],
            cwd=self.folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=self.environment | environment,
            timeout=600,
        )

    def __call__(self, *command: object, status: int = 0) -> str:
        """Run a command, check its exit status, and give its stdout."""
        result = self.run(*command)
        assert result.returncode == status, f"{command}: {result.stdout}\n{result.stderr}"
        return result.stdout

    def git(self, *arguments: object) -> str:
        return self("git", *arguments)

    def dvc(self, *arguments: object, status: int = 0) -> str:
        return self("dvc", *arguments, status=status)

    def dvc_here(self, *arguments: object) -> None:
        """Run a command of DVC in this process, which has loaded it already."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SITE_CACHE_DIR", "DVC_NO_ANALYTICS", "GIT_CONFIG_GLOBAL"):
                patch.setenv(name, self.environment[name])
            assert importlib.import_module("dvc.cli").main([str(word) for word in arguments]) == 0, arguments

    def commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def change_params(self, changes: dict) -> None:
        """Edit params.yaml; a section keeps the entries that `changes` does not name."""
        file = self.folder / "params.yaml"
        params = yaml.safe_load(file.read_text())
        for section, values in changes.items():
            params[section] = {**params[section], **values} if isinstance(values, dict) else values
        file.write_text(yaml.safe_dump(params))

    def digests(self) -> dict[str, str]:
        """MD5 of each output of each stage, as dvc.lock records them."""
        found = {}
        for lock in ("dvc.lock", "data/dvc.lock"):
            if (self.folder / lock).is_file():
                for stage in yaml.safe_load((self.folder / lock).read_text())["stages"].values():
                    found |= {out["path"]: out["md5"] for out in stage["outs"]}
        return found


def stages_run(output: str) -> list[str]:
    """The stages that `dvc repro` says to run."""
    return [line.split("'")[1].split(":")[-1] for line in output.splitlines() if line.startswith("Running stage")]


TINY_PARAMS = {
    "images": "data/robots",
    "robots": {"count": 24, "size": 32},
    "resize": {"size": 16},
    "train": {"latent_dim": 64, "width": 4, "epochs": 3, "batch_size": 8, "held_out": 0.3, "flow_steps": 20},
    "sample": {"count": 8},
    "evaluate": {"shown": 4, "networks": 1, "draws": 2},
}


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with tiny parameters after `dvc repro`, committed. Not to be changed: `tiny` is a copy.

    What its stages opened is recorded in the folder `opened` beside it.
    """

    def reproduce(folder: Path) -> None:
        project = Project.new(folder / "project")
        project.change_params(TINY_PARAMS)
        project.commit("Tiny parameters")
        project.environment |= recording(folder / "opened")
        project.dvc("repro")
        project.commit("Reproduced")

    return Project(once(tmp_path_factory, "reproduced", reproduce) / "project")


@pytest.fixture
def tiny(reproduced: Project, tmp_path: Path) -> Project:
    """A copy of `reproduced`, to be changed at will."""
    return reproduced.copy_to(tmp_path / "tiny")
