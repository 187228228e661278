"""Classes of images: what they may be called, and what is called after them."""

import re
from collections.abc import Sequence

LABELS = ("none", "folders", "table")  # where the class of a training image may be read from
ALL = "all"  # in place of the name of a class: each of them
NO_CLASS = -1  # in place of the number of a class
MOST_CLASSES, MOST_BYTES = 1000, 200  # and bytes of a name
UNFIT = re.compile(r'[%/\\:*?"<>|]|^\.|[. ]$')  # what the names of folders can't hold everywhere


def fault_of(name: str) -> str:
    """Why a class can't have this name, in words that follow it; nothing where it can."""
    if not name.isprintable() or not name.strip():
        return "has no sign that can be shown, or one that can't"
    if len(name.encode()) > MOST_BYTES:
        return f"takes more than {MOST_BYTES} bytes"
    return "stands for all classes at once" if name == ALL else ""


def class_folder(name: str) -> str:
    """The name of the folder for images of a class: its own, with signs that may mean something else as %XX, so that
    no two classes share one."""
    return UNFIT.sub(lambda found: f"%{ord(found[0]):02X}", name)


def few_of(names: Sequence[str], most: int = 10) -> str:
    """Some names in words: a, b and 7 more."""
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def are_classes(value: object) -> bool:
    """Whether a value is a list of names for classes."""
    return (
        isinstance(value, list)
        and len(value) <= MOST_CLASSES
        and all(type(name) is str and not fault_of(name) for name in value)
        and len(set(value)) == len(value)
    )
