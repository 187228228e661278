"""The code of this project that a process has loaded."""

import os
import sys
from hashlib import md5
from pathlib import Path


def code_digest() -> str:
    """MD5 of the modules of this project that are loaded, whatever their order."""
    stages = os.path.realpath(Path(__file__).parents[2])
    files = {os.path.realpath(getattr(module, "__file__", None) or "") for module in list(sys.modules.values())}
    own = sorted(file for file in files if file.startswith(f"{stages}{os.sep}"))
    return md5(b"".join(md5(Path(file).read_bytes()).digest() for file in own)).hexdigest()
