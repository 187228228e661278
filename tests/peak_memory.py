"""How much memory a process takes at most."""

import subprocess
import sys

MIB = 2**20

# A process inherits the peak of the one that starts it, so a small one stands between the tests and what is measured.
BETWEEN = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:], stdout=sys.stderr).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def peak_memory(*command: object) -> int:
    """Run a command of Python's, and give the bytes that it had in memory at most."""
    words = [sys.executable, "-c", BETWEEN, sys.executable, *map(str, command)]
    result = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return int(result.stdout) * (1 if sys.platform == "darwin" else 1024)
