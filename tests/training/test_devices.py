"""Several devices and several processes: the results of one, each image once, noise of its own, and a clear end.

The processes are real ones on this machine, which talk over the loopback interface.
"""

import csv
import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import at_moment
from conftest import ON_JAX, ROOT, assert_refused, on, run_here, run_stage, train_outputs, tree
from imagevae.training.devices import LOST, part

pytestmark = pytest.mark.extras

TRAIN = [sys.executable, str(ROOT / "stages" / "train.py")]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_two(*commands: list[object], more: dict[str, str] | None = None) -> list[subprocess.Popen]:
    """Start two processes of one cluster, with additions to the environment of the first."""
    address = f"127.0.0.1:{free_port()}"
    return [
        subprocess.Popen(
            [str(word) for word in command],
            env={
                **on("jax"),
                "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
                "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
                "KERAS_DISTRIBUTION_PROCESS_ID": str(number),
                **(more or {} if number == 0 else {}),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        for number, command in enumerate(commands)
    ]


def training(squares: Path, folder: Path, *more: object) -> list[object]:
    """The command of a process; the flow, which the first one trains alone, is left out."""
    return [
        *(*TRAIN, "--input", squares, *train_outputs(folder), *ON_JAX),
        *("--flow_steps", 0, "--devices", "cluster", *more),
    ]


def curves(folder: Path) -> dict[str, list[float]]:
    """The values of each curve, from the files of a training."""
    files = sorted((folder / "curves" / "plots").rglob("*.tsv"))
    return {
        f"{file.parent.name}/{file.stem}": [
            float(row[file.stem]) for row in csv.DictReader(file.open(), delimiter="\t")
        ]
        for file in files
    }


def assert_same_curves(one: Path, other: Path) -> None:
    expected, found = curves(one), curves(other)
    assert len(expected) == 9
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, rel=1e-3), name


@given(count=st.integers(1, 60), processes=st.integers(1, 6), each=st.integers(1, 4))
def test_parts_are_equal_and_hold_each_row_once_in_order(count: int, processes: int, each: int):
    rows = np.random.default_rng(count).permutation(1000)[:count]
    parts = [part(rows, processes * each, processes, process) for process in range(processes)]
    assert len({len(own) for own, _ in parts}) == 1
    assert len(parts[0][0]) % each == 0
    assert sum(len(own) for own, _ in parts) < count + processes * each
    own, counted = (np.concatenate(halves) for halves in zip(*parts, strict=True))
    assert np.array_equal(own[counted == 1], rows)
    assert set(counted) <= {0, 1}


def run_two(*commands: list[object]) -> tuple[list[str], list[int]]:
    """What two processes of one cluster say on stderr, and their exit statuses."""
    processes = start_two(*commands)
    return [process.communicate()[1] for process in processes], [process.returncode for process in processes]


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_training_by_two_processes_survives_one_and_ends_as_that_of_one(
    victim: int, squares: Path, trained_on_jax: Path, tmp_path: Path
):
    """It goes on in two processes, of which the first alone writes, or in one, on two devices."""
    kill = f"os.kill(int(open({str(tmp_path / 'victim')!r}).read()), 9)"
    hook = at_moment(tmp_path / "hook", "train", "vae.npz.partial", 2, kill)
    processes = start_two(*[training(squares, tmp_path / "first")] * 2, more=hook)
    (tmp_path / "victim").write_text(str(processes[victim].pid))
    stderr = [process.communicate()[1] for process in processes][1 - victim]
    assert [processes[victim].returncode, processes[1 - victim].returncode] == [-signal.SIGKILL, 2]
    assert stderr.endswith(f"train: error: {LOST}\n")
    assert not (tmp_path / "first" / "model").exists()

    if victim:
        said, statuses = run_two(*(training(squares, tmp_path / name) for name in ("first", "second")))
        assert statuses == [0, 0], said
        assert said[1] == ""
        assert not (tmp_path / "second").exists()
    else:
        two = {**on("jax"), "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
        result = run_stage("train", *training(squares, tmp_path / "first", "--devices", "all")[2:], env=two)
        assert result.returncode == 0, result.stderr
        said = [result.stderr]
    assert "goes on after epoch" in said[0]
    assert tree(tmp_path / "first").keys() == tree(trained_on_jax).keys()
    assert_same_curves(trained_on_jax, tmp_path / "first")


NOISE = """
import json, sys
sys.path.insert(0, "STAGES")
from imagevae.model.backend import start_keras
start_keras(0)
import jax, numpy as np
from imagevae.training.devices import shared_by
from imagevae.model.vae import VAE
import keras
with shared_by("cluster"):
    model = VAE(size=8, network="vector", latent_dim=2, width=4)
    images = np.full((3, 8, 8, 3), 100, np.uint8)  # all are alike
    layout = keras.distribution.distribution().get_data_layout(images.shape).backend_layout
    images = jax.make_array_from_process_local_data(layout, images)
    variables = [[v.value for v in some] for some in (model.trainable_variables, model.non_trainable_variables)]
    (mean, _, _), _ = jax.jit(model.stateless_call)(*variables, images)
    print(json.dumps(np.concatenate([shard.data for shard in mean.addressable_shards])[:, 0, 0, 0].tolist()))
""".replace("STAGES", str(ROOT / "stages"))


@pytest.mark.slow
def test_each_image_has_noise_of_its_own_on_every_process():
    """That it is the noise of a training in one process shows in the curves above."""
    processes = start_two(*[[sys.executable, "-c", NOISE]] * 2)
    found = [json.loads(process.communicate()[0]) for process in processes]
    assert [len(values) for values in found] == [3, 3]
    assert len({*found[0], *found[1]}) == 6


@pytest.mark.slow
def test_processes_that_are_not_alike_are_refused(squares: Path, tmp_path: Path):
    said, statuses = run_two(training(squares, tmp_path), training(squares, tmp_path, "--seed", 1))
    assert statuses == [2, 2]
    expected = "train: error: process 1 has other images, parameters, code or libraries than process 0\n"
    assert said == [expected, expected]
    assert not list(tmp_path.iterdir())


def test_more_than_one_device_needs_jax_and_a_cluster_an_environment(squares: Path, tmp_path: Path):
    alone = run_here("train", *training(squares, tmp_path)[2:])
    assert_refused(alone, "--devices cluster", "KERAS_BACKEND=jax")
    nowhere = run_stage("train", *training(squares, tmp_path)[2:], env=on("jax"))
    assert_refused(nowhere, "--devices cluster", "KERAS_DISTRIBUTION_JOB_ADDRESSES")
    portless = {**on("jax"), "KERAS_DISTRIBUTION_JOB_ADDRESSES": "somewhere", "KERAS_DISTRIBUTION_PROCESS_ID": "0"}
    nowhere = run_stage("train", *training(squares, tmp_path)[2:], env=portless)
    assert_refused(nowhere, "KERAS_DISTRIBUTION_JOB_ADDRESSES=somewhere", "HOST:PORT")
    assert not list(tmp_path.iterdir())
