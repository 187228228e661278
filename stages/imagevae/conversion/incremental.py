"""Writing shards and their manifest, and taking over from the last run what would come out the same."""

from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import md5
from pathlib import Path
from typing import Any

from imagevae.cli.loaded_code import code_digest
from imagevae.conversion.dask_cluster import loaded, on_cluster, write_same_shard
from imagevae.conversion.last_run import Previous, copy_whole, find_previous, known_digests
from imagevae.conversion.progress import progress
from imagevae.conversion.shard import LIBRARIES, Recipe, Shard, ShardWork, write_shard
from imagevae.conversion.threads import cores
from imagevae.conversion.written import SHOWN, Written
from imagevae.images.contact_sheet import evenly_spaced
from imagevae.images.listing import Items, Listing
from imagevae.images.manifest import MANIFEST, Head, MembersDigest, draft, format_row
from imagevae.images.storage import shard_count, shard_of

Plan = dict[str, array]  # by the files of the shards, the numbers of their images


def write_shards(listing: Listing, source: Path, output: Path, folder: Path, recipe: Recipe, scheduler: str) -> Written:
    """Write shards and a manifest; take from the last run what would be the same."""
    code = md5(" ".join([code_digest(), *LIBRARIES]).encode()).hexdigest()
    facts = {**recipe.parameters, "code": code}
    items, previous = listing.items, find_previous(output, facts)
    if previous.head.shards and source.is_dir():
        learn_digests(items, source)
    shards = plan_shards(items.names, "npy" if recipe.square else "tar")
    copied = copy_same(shards, items, previous, folder)
    rejected = {name: ("", reason) for name, reason in listing.rejected.items()}
    notes: dict[str, tuple[str, str]] = {}
    with draft(folder / MANIFEST) as rows:
        for name, entry, lines in previous.entries(copied):
            rows.add(name, entry.members, lines)
            names = {items.names[number] for number in shards[name]}
            rejected |= {name: why for name, why in previous.head.rejected.items() if name in names}
            notes |= {name: note for name, note in previous.head.notes.items() if name in names}
        changed = {name: members for name, members in shards.items() if name not in copied}
        for name, shard in make_shards(changed, items, folder, recipe, previous, scheduler):
            rows.add(name, shard.members, b"".join(map(format_row, shard.rows)))
            rejected |= shard.rejected
            notes |= shard.notes
        images = [name for name in items.names if name not in rejected]
        counts: dict[str, Any] = {"images": len(images), "rejected": len(rejected), "left_aside": listing.left_aside}
        if notes:
            counts["noted"] = len(notes)
        if listing.aside:
            counts["left_aside_by_kind"] = dict(sorted(listing.aside.items()))
        found = (
            dict(sorted(rejected.items())),
            {name: rows.entries[name] for name in shards},
            dict(sorted(notes.items())),
        )
        rows.finish(Head(facts, counts, *found))
        files, shown = list(shards), [images[pick] for pick in evenly_spaced(len(images), SHOWN)]
        places = [rows.find(files[shard_of(name, len(files))], name) for name in shown]
    return Written(
        [(row.file, row.start, row.size) for row in places],
        {name: reason for name, (_, reason) in rejected.items()},
        {name: note for name, (_, note) in notes.items()},
    )


def plan_shards(names: Sequence[str], kind: str) -> Plan:
    """The files of the shards, each with the numbers of its images, in their order."""
    count = shard_count(len(names))
    shards = {f"{number:05}-of-{count:05}.{kind}": array("q") for number in range(count)}
    members = list(shards.values())
    for number, name in enumerate(names):
        members[shard_of(name, count)].append(number)
    return shards


def learn_digests(items: Items, source: Path) -> None:
    """Ask DVC for the digests of the images' bytes that are not known yet."""
    if unknown := items.unknown():
        for number, digest in zip(unknown, known_digests(source, [items.names[one] for one in unknown]), strict=False):
            if digest:
                items.know(number, digest)


def copy_same(shards: Plan, items: Items, previous: Previous, folder: Path) -> set[str]:
    """Copy from DVC's cache the shards whose images are those of the last run, and give their names."""
    entries = previous.head.shards

    def is_same(name: str) -> bool:
        members = MembersDigest()
        for item in (items[number] for number in shards[name]):
            if not item.digest:
                return False
            members.add(item.name, item.digest)
        return members.hexdigest() == entries[name].members

    same = [name for name in shards if name in entries and is_same(name)]
    with ThreadPoolExecutor(cores()) as pool:
        whole = pool.map(lambda name: copy_whole(previous.files[name], folder / name), same)
        return {name for name, copied in zip(same, whole, strict=True) if copied}


def make_shards(
    shards: Plan, items: Items, folder: Path, recipe: Recipe, previous: Previous, scheduler: str
) -> Iterator[tuple[str, Shard]]:
    """Make shards: on a cluster in any order, or here, one by one, each in threads."""
    count = sum(map(len, shards.values()))
    digests = {items[number].digest for numbers in shards.values() for number in numbers if previous.head.shards}
    reusable = previous.images(digests)
    work = (
        ShardWork(folder / name, members, recipe, reusable.of({item.digest for item in members}))
        for name, members in ((name, [items[number] for number in numbers]) for name, numbers in shards.items())
    )
    with progress(count) as update:
        if not scheduler:
            for one in work:
                yield one.file.name, write_shard(one, cores(), update)
            return
        for one, shard in on_cluster(scheduler, partial(write_same_shard, loaded()), list(work)):
            update(len(one.items))
            yield one.file.name, shard
