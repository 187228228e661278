"""What Python reports of a running stage, each file that it opens: to record them, or to do something at one of them.

A moment that is told by a file comes at the same point in each run, however fast the machine is.
"""

import os
from pathlib import Path

RECORD = """
import atexit, os, sys
opened = set()
def watch(event, arguments):
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], (str, bytes, os.PathLike)):
        opened.add((os.fsdecode(arguments[0]), event == "open" and "w" in str(arguments[1])))
def save():
    inside = {{os.path.relpath(path) for path, written in list(opened) if not written}}
    with open({folder!r} + "/" + os.path.basename(sys.argv[0]), "w") as file:
        file.write("\\n".join(sorted(path for path in inside if not path.startswith(".."))))
if sys.argv[0].startswith("stages"):
    sys.addaudithook(watch)
    atexit.register(save)
"""

HOOK = """
import os, subprocess, sys
seen = 0
def watch(event, arguments):
    global seen
    if event == "open" and isinstance(arguments[0], (str, os.PathLike)) and {where!r} in os.fspath(arguments[0]):
        seen += 1
        if seen == {moment}:
            {action}
if sys.argv[0].endswith({stage!r} + ".py"):
    sys.addaudithook(watch)
"""

LIMIT = """
import os, resource, signal, sys
if os.path.basename(sys.argv[0]) == {script!r}:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
"""

CALL = """
import importlib.abc, importlib.util, os, sys
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != {module!r}:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def load_and_replace(module):
            load(module)
            whole = getattr(module, {function!r})
            def replaced(*arguments, **keywords):
                {action}
                return whole(*arguments, **keywords)
            setattr(module, {function!r}, replaced)
        spec.loader.exec_module = load_and_replace
        return spec
if sys.argv[0].endswith({stage!r} + ".py"):
    sys.meta_path.insert(0, Finder())
"""

CONTACTS = """
import sys
PLACES = {{"socket.connect": 1, "socket.sendto": 1, "socket.getaddrinfo": 0, "socket.gethostbyname": 0}}
def watch(event, arguments):
    if event in PLACES:
        address = arguments[PLACES[event]]
        with open({file!r}, "a") as opened:
            print(address[0] if isinstance(address, tuple) else address, file=opened)
sys.addaudithook(watch)
"""


def recording(folder: Path) -> dict[str, str]:
    """An addition to the environment: each stage leaves in a folder what it has read, see `read_by`."""
    return _customised(folder, RECORD.format(folder=str(folder)))


def read_by(stage: str, folder: Path) -> list[str]:
    """The files and folders inside the current folder that the last run of a stage has read."""
    return (folder / f"{stage}.py").read_text().split("\n")


def at_moment(folder: Path, stage: str, where: str, moment: int, action: str) -> dict[str, str]:
    """An addition to the environment: a stage does something when it opens a path with `where` for the nth time."""
    return _customised(folder, HOOK.format(stage=stage, where=where, moment=moment, action=action))


def killed_at_size(folder: Path, script: str, size: int) -> dict[str, str]:
    """An addition to the environment: a script is killed when a file that it writes gets larger, in bytes."""
    return _customised(folder, LIMIT.format(script=script, size=size))


def waiting(folder: Path, stage: str, where: str, moment: int) -> dict[str, str]:
    """An addition to the environment: a stage that opens a path with `where` for the nth time waits until the file
    `fifo` in the folder has been opened for writing, and closed."""
    folder.mkdir(exist_ok=True)
    os.mkfifo(folder / "fifo")
    return at_moment(folder, stage, where, moment, f"open({str(folder / 'fifo')!r}).read()")


def at_call(folder: Path, stage: str, module: str, function: str, action: str) -> dict[str, str]:
    """An addition to the environment: a stage does something before it calls a function of a module."""
    return _customised(folder, CALL.format(stage=stage, module=module, function=function, action=action))


def _customised(folder: Path, code: str) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(code)
    return {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


def noting_contacts(folder: Path) -> dict[str, str]:
    """An addition to the environment: processes leave in the file `contacts` of the folder which hosts they speak to
    by sockets or look up, a line each."""
    added = _customised(folder, CONTACTS.format(file=str(folder / "contacts")))
    (folder / "contacts").touch()
    return added
