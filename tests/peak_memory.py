"""How much memory a process takes at most."""

import os
import subprocess
import sys

MIB = 2**20


def peak_memory(*command: object) -> int:
    """Run a command of Python's, and give the bytes that it had in memory at most."""
    process = subprocess.Popen([sys.executable, *map(str, command)], stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
