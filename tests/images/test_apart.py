"""A decoder that crashes costs one image, which is named; everything else comes out as without it."""

import faulthandler
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from conftest import ROOT, run_stage, tree, write_images
from imagevae.images.apart import each_apart
from imagevae.images.manifest import MANIFEST, read_head

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="crashes are survived on Linux")

# rgba2rgb with a decoder that has a fault: what begins with "crash" is read from address 0, or the process is aborted.
FAULTY = """
    import ctypes, os, sys
    sys.path.insert(0, {stages!r})
    import imagevae.images.codec as codec
    from imagevae.cli.guard import has_crashed
    decode = codec.decode

    def faulty(data, colours=None):
        if data.startswith(b"crash"):
            ctypes.string_at(0)
        if data.startswith(b"abort"):
            os.abort()
        if data.startswith(b"killed") and has_crashed():
            os.kill(os.getpid(), 9)
        return decode(data, colours)

    codec.decode = faulty
    import rgba2rgb
    from imagevae.cli import command
    command.run(rgba2rgb.main, guarded=True)
"""


def run_faulty(folder: Path, form: str, allowed: float = 0.2) -> subprocess.CompletedProcess:
    script = folder / "faulty.py"
    script.write_text(textwrap.dedent(FAULTY).format(stages=str(ROOT / "stages")))
    paths = ["--input", folder / "in", "--output", folder / "out", "--format", form, "--max_rejected", str(allowed)]
    return subprocess.run([sys.executable, script, *map(str, paths)], capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize("form", ["files", "shards"])
def test_images_at_which_a_decoder_crashes_are_rejected_by_name_and_all_others_are_as_ever(form: str, tmp_path: Path):
    write_images(tmp_path / "in", 30)
    plain = run_stage("rgba2rgb", "--input", tmp_path / "in", "--output", tmp_path / "plain", "--format", form)
    assert plain.returncode == 0, plain.stderr
    for name, content in (("0007x.png", b"crash"), ("0019x.gif", b"abort"), ("0019y.gif", b"crash too")):
        (tmp_path / "in" / name).write_bytes(content)
    result = run_faulty(tmp_path, form)
    assert result.returncode == 0, result.stderr
    assert "3 of 33 images rejected" in result.stderr
    for name, ended_by in (("0007x.png", "SIGSEGV"), ("0019x.gif", "SIGABRT"), ("0019y.gif", "SIGSEGV")):
        assert any(name in line and ended_by in line for line in result.stderr.splitlines())
    if form == "files":
        images = {name: data for name, data in tree(tmp_path / "out").items() if name.endswith(".png")}
        assert images == {name: data for name, data in tree(tmp_path / "plain").items() if name.endswith(".png")}
    else:
        assert set(read_head(tmp_path / "out" / MANIFEST).rejected) == {"0007x.png", "0019x.gif", "0019y.gif"}
    assert not list(tmp_path.glob(".*partial*"))


def test_too_many_crashes_fail_the_stage_and_nothing_is_written(tmp_path: Path):
    write_images(tmp_path / "in", 3)
    (tmp_path / "in" / "x.png").write_bytes(b"crash")
    result = run_faulty(tmp_path, "files", allowed=0)
    assert result.returncode == 2
    assert "x.png" in result.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def test_a_process_that_is_ended_from_outside_says_nothing_of_its_image(tmp_path: Path):
    """Where memory runs out, the system kills what takes most of it, whatever image it is at."""
    write_images(tmp_path / "in", 3)
    (tmp_path / "in" / "x.png").write_bytes(b"crash")
    (tmp_path / "in" / "y.gif").write_bytes(b"killed")
    result = run_faulty(tmp_path, "shards", allowed=1)
    assert result.returncode == 2
    assert "y.gif: ended by SIGKILL" in result.stderr.splitlines()[-1]
    assert not (tmp_path / "out").exists()


def double(number: int) -> int:
    if number % 10 == 7:
        faulthandler.disable()  # pytest's would tell of it
        os.kill(os.getpid(), signal.SIGSEGV)
    if number == 33:
        raise ValueError("33")
    return 2 * number


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order_with_something_instead_of_those_that_crashed(workers: int):
    found = list(each_apart(double, list(range(30)), lambda number, ended_by: (number, ended_by), workers))
    assert found == [(number, "SIGSEGV") if number % 10 == 7 else 2 * number for number in range(30)]
    assert list(each_apart(double, [], lambda number, ended_by: 0, workers)) == []
    with pytest.raises(ValueError, match="33"):
        list(each_apart(double, list(range(40)), lambda number, ended_by: 0, workers))


WAITING = """
    import sys, time
    sys.path.insert(0, {stages!r})
    from imagevae.cli.guard import go_on_in_child
    go_on_in_child("waiting")
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        sys.exit(130)
"""


def waiting(tmp_path: Path) -> subprocess.Popen:
    script = tmp_path / "waiting.py"
    script.write_text(textwrap.dedent(WAITING).format(stages=str(ROOT / "stages")))
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # ignored by what runs aside
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_signals_reach_the_child_and_its_end_is_that_of_the_program(number: int, status: int, tmp_path: Path):
    with waiting(tmp_path) as process:
        process.send_signal(number)
        assert process.wait(10) == status


def test_the_child_ends_with_a_program_that_is_killed(tmp_path: Path):
    with waiting(tmp_path) as process:
        process.kill()
        process.wait(10)
        assert process.stdout.read() == "", "the pipe is closed when the child is gone too"
