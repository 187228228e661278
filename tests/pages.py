"""The pages of the documentation, as the tests read them."""

import re
from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def section(page: Path, heading: str) -> str:
    """What stands below a heading of a page, up to the next one."""
    text = FENCE.sub(lambda block: block[0].replace("\n#", "\n\0#"), page.read_text())  # comments are no headings
    [found] = re.findall(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return found.replace("\0", "")


def console(page: Path, heading: str) -> list[str]:
    """The command lines below a heading of a page."""
    blocks = "\n".join(code for kind, code in FENCE.findall(section(page, heading)) if kind == "console")
    return re.findall(r"^\$ (.*)$", blocks, flags=re.MULTILINE)
