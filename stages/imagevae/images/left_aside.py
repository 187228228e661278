"""What a source holds besides images: counted by kind, and put into words."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

HIDDEN, EMPTY, BARE, OTHER = "hidden", "empty folder", "without an extension", "other"
LINK_OUT = "link to a folder outside of the source"
LINK_AGAIN = "link to a folder that is read already"
LINK_MEMBER = "link in an archive"
SPECIAL_MEMBER = "special file in an archive"
OLDER_MEMBER = "member of an archive that a later one of its name replaces"
KINDS = 200  # that are counted apart, at most
SHOWN = 12

PLUGINS = {  # extensions of pictures that Pillow reads with a plug-in: its module, and what it is called
    ".heic": ("pillow_heif", "HEIC", "pillow-heif"),
    ".heif": ("pillow_heif", "HEIC", "pillow-heif"),
    ".hif": ("pillow_heif", "HEIC", "pillow-heif"),
    ".jxl": ("pillow_jxl", "JPEG XL", "pillow-jxl-plugin"),
}
PICTURES = frozenset(  # others that look like pictures and are not read
    {".ai", ".apng", ".arw", ".blp", ".bpg", ".cbr", ".cbz", ".cin", ".cr2", ".cr3", ".crw", ".cur", ".dcm", ".dcr"}
    | {".dcx", ".dds", ".djvu", ".dng", ".dpx", ".emf", ".eps", ".erf", ".exr", ".fit", ".fits", ".flif", ".fts"}
    | {".hdr", ".icns", ".ico", ".iiq", ".j2c", ".j2k", ".jls", ".jp2", ".jpf", ".jpx", ".jxr", ".kdc", ".mng", ".mos"}
    | {".mrw", ".nef", ".nii", ".nrw", ".orf", ".pam", ".pcx", ".pdf", ".pef", ".pfm", ".pic", ".pict", ".psb", ".psd"}
    | {".qoi", ".raf", ".ras", ".raw", ".rgbe", ".rw2", ".rwl", ".sgi", ".sr2", ".srf", ".srw", ".svg", ".svgz"}
    | {".svs", ".tga", ".wbmp", ".wdp", ".wmf", ".x3f", ".xbm", ".xcf", ".xpm"}
)
PACKED = frozenset(
    {".7z", ".br", ".bz2", ".cab", ".cpio", ".gz", ".iso", ".lha", ".lz", ".lz4", ".lzh", ".lzma", ".lzo", ".rar"}
    | {".tzst", ".xz", ".z", ".zipx", ".zst"}
)


class LeftAside(Counter[str]):
    """Numbers of files and folders that are no images, by kind: an extension, `HIDDEN`, `EMPTY` and so on."""

    def add(self, kind: str) -> None:
        self[kind if kind in self or len(self) < KINDS else OTHER] += 1

    def add_name(self, name: str) -> None:
        """Count a file that is no image by its name."""
        self.add(kind_of(name))


@cache
def plugin_extensions() -> frozenset[str]:
    """Extensions of pictures that an installed plug-in of Pillow reads."""
    return frozenset(extension for extension, (module, *_) in PLUGINS.items() if find_spec(module))


def kind_of(name: str) -> str:
    """The kind of a file by its name: hidden, or its extension in small letters."""
    if name.startswith("."):
        return HIDDEN
    extension = os.path.splitext(name)[1].lower()
    return (extension if re.fullmatch(r"\.[a-z0-9_+-]{1,10}", extension) else OTHER) if extension else BARE


def in_words(counts: Counter[str]) -> str:
    """Counts by kind, the largest first: 900 .heic, 3 .txt, 2 hidden, 1 empty folder."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    words = [f"{count} {_plural(kind) if count > 1 else kind}" for kind, count in ordered[:SHOWN]]
    if rest := ordered[SHOWN:]:
        words.append(f"{sum(count for _, count in rest)} of {len(rest)} more kinds")
    return ", ".join(words)


def _plural(kind: str) -> str:
    return re.sub(r"^(empty folder|link|special file|member)\b", r"\1s", kind)


def report(counts: Counter[str], source: Path) -> Iterator[str]:
    """A line that says what was left aside, and one for each kind of it that may be missed."""
    if count := counts.total():
        yield f"{source}: {count} file{'s' * (count > 1)} or folder{'s' * (count > 1)} left aside: {in_words(counts)}"
    for what, advice in _missed(counts):
        yield f"{source}: warning: {what} left aside, {advice}"


def advice(counts: Counter[str]) -> str:
    """What may be missed among what was left aside, in a part of a sentence, or nothing."""
    return "".join(f"; {what} left aside, {advice}" for what, advice in _missed(counts))


def _missed(counts: Counter[str]) -> Iterator[tuple[str, str]]:
    for name, package in dict.fromkeys((name, package) for _, name, package in PLUGINS.values()):
        if some := _some(counts, {extension for extension, known in PLUGINS.items() if known[1] == name}):
            yield (
                in_words(some),
                f"which look like pictures: {name} is read where {package} is installed "
                "(pip install -r requirements-formats.txt)",
            )
    if some := _some(counts, PICTURES):
        yield in_words(some), "which look like pictures of a kind that is not read: convert them to PNG or JPEG"
    if some := _some(counts, PACKED):
        yield in_words(some), "which look like archives of a kind that is not read: unpack them, or make zips of them"
    if some := _some(counts, {LINK_OUT}):
        yield in_words(some), "because DVC does not track what is there: move the folder into the source"


def _some(counts: Counter[str], kinds: frozenset[str] | set[str]) -> Counter[str]:
    return Counter({kind: count for kind, count in counts.items() if kind in kinds})
