"""Tables that people write, as CSV."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from imagevae.cli.errors import BadInput


def read_csv(file: Path) -> list[list[str]]:
    """The lines of a CSV file that are not empty, the first with the names of its columns; none of an empty file.

    Raises:
        BadInput: not a CSV file, or its lines are of unequal lengths.
        OSError: it can't be read.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:  # Excel writes a byte order mark
            rows = [row for row in csv.reader(opened) if row]
    except UnicodeDecodeError:
        raise BadInput(f"{file}: not a CSV file in UTF-8") from None
    except csv.Error as error:
        raise BadInput(f"{file}: not a CSV file ({error})") from None
    for row in rows:
        if len(row) != len(rows[0]):
            raise BadInput(f"{file}: {row[0]!r} has {len(row)} columns, but the first line has {len(rows[0])}")
    return rows


def check_once(file: Path, names: Sequence[str]) -> None:
    """Look whether each image has one line of a table.

    Raises:
        BadInput: one has several.
    """
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise BadInput(f"{file}: {twice} is in it twice; each image must have one line")
