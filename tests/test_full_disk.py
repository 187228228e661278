"""Where a disk is full, each stage names it and leaves nothing half-written there."""

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import BRIEF, ROOT, assert_refused, write_images


def on_a_full_disk(folder: Path, stage: str, *arguments: object) -> subprocess.CompletedProcess:
    """Run a stage where `folder` is a file system of 8 KiB, and print what is left in it."""
    folder.mkdir()
    words = [sys.executable, ROOT / "stages" / f"{stage}.py", *arguments]
    script = 'mount -t tmpfs -o size=8k none "$0" && { "$@"; status=$?; find "$0" -type f; exit $status; }'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, folder, *words]
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL)


CAN_MOUNT = subprocess.run(
    ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True
)


@pytest.mark.skipif(CAN_MOUNT.returncode != 0, reason="this machine lets no user mount a small file system")
@pytest.mark.parametrize("stage", ["rgba2rgb", "resize", "robots", "train", "sample", "evaluate"])
def test_a_full_disk_is_named_and_nothing_half_written_stays(
    stage: str, tmp_path: Path, squares: Path, model_file: Path
):
    disk = tmp_path / "disk"
    write_images(tmp_path / "pictures", 8, size=256)
    arguments = {
        "rgba2rgb": ("--input", tmp_path / "pictures", "--output", disk / "out"),
        "resize": ("--input", tmp_path / "pictures", "--output", disk / "out", "--size", 512),
        "robots": ("--output", disk / "out", "--factors", disk / "factors.csv", "--count", 20),
        "train": ("--input", squares, "--output", disk / "vae.keras", "--curves", tmp_path / "curves", *BRIEF),
        "sample": ("--model", model_file, "--output", disk / "out", "--count", 1000),
        "evaluate": (
            *("--model", model_file, "--images", squares, "--samples", squares, "--networks", 1, "--draws", 1),
            *("--output", tmp_path / "metrics.json", "--pictures", disk / "pictures", "--shown", 40),
        ),
    }[stage]
    result = on_a_full_disk(disk, stage, *arguments)
    assert_refused(result, disk, "No space left on device")
    assert result.stdout == ""
