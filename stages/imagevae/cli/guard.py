"""Working in a child process, so that a crash in a C library ends that and not the stage."""

import ctypes
import os
import signal
import sys
from typing import NoReturn

CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE}
FORWARDED = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT}
PR_SET_PDEATHSIG = 1  # of Linux's prctl.h
SI_USER = 0  # of siginfo.h: sent to this process, not by a terminal to all of its group

_crashed = False


def has_crashed() -> bool:
    """Whether this process repeats the work of one that has crashed."""
    return _crashed


def go_on_in_child(name: str) -> None:
    """Return in a child process; if it crashes, in a second one, where `has_crashed` is true.

    This process waits, passes signals on, and exits as the child does. On other systems than Linux nothing happens. To
    be called before there are threads.

    Args:
        name: of the program, for messages.
    """
    global _crashed
    if sys.platform != "linux":
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*FORWARDED, signal.SIGCHLD})
    for _crashed in (False, True):
        sys.stderr.flush()
        parent, child = os.getpid(), os.fork()
        if not child:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            _end_with(parent)
            return
        ended_by = _wait(child)
        if ended_by not in CRASHES:
            break
        if not _crashed:
            print(f"{name}: a library crashed ({ended_by.name}); starting again, each image apart", file=sys.stderr)
    hint = "; there may be too little memory" if ended_by == signal.SIGKILL else ""
    print(f"{name}: error: ended by {ended_by.name}{hint}", file=sys.stderr, flush=True)
    os._exit(2)


def _end_with(parent: int) -> None:
    """Let this process be killed when its parent is."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(2)


def _wait(child: int) -> signal.Signals:
    """Wait for a child, and exit with its status; or give the signal that ended it, if it was one that says something
    of the work."""
    while True:
        info = signal.sigwaitinfo({*FORWARDED, signal.SIGCHLD})
        if info.si_signo == signal.SIGCHLD:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                break
        elif info.si_code == SI_USER:
            os.kill(child, info.si_signo)
    if os.WIFEXITED(status):
        os._exit(os.WEXITSTATUS(status))
    number = signal.Signals(os.WTERMSIG(status))
    if number not in {*CRASHES, signal.SIGKILL}:
        _end_by(number)
    return number


def _end_by(number: int) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    os._exit(128 + number)
