"""Shards: which image lies where, and that ordinary tools open them; and names of files, so that none is lost."""

import io
import tarfile

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from imagevae.images.headers import JPEG, PNG
from imagevae.images.listing import EXTENSIONS
from imagevae.images.storage import ArrayShard, TarShard, file_name, shard_count, shard_of

contents = st.lists(st.binary(max_size=2000), max_size=20)


@given(images=st.integers(1, 10**7))
def test_a_shard_holds_about_512_images(images: int):
    count = shard_count(images)
    assert count & (count - 1) == 0
    assert count == 1 or 360 <= images / count <= 730


@given(name=st.text(), exponent=st.integers(0, 12))
def test_twice_as_many_shards_split_each_shard_in_two(name: str, exponent: int):
    few, many = shard_of(name, 2**exponent), shard_of(name, 2 ** (exponent + 1))
    assert many % 2**exponent == few < 2**exponent


@given(contents)
def test_a_tar_shard_is_a_tar_whose_places_are_right(members: list[bytes]):
    file = io.BytesIO()
    shard = TarShard(file)
    starts = [shard.add(f"ü/{'long ' * 30}{number}.png", content) for number, content in enumerate(members)]
    shard.close()
    assert [file.getvalue()[start:][: len(content)] for start, content in zip(starts, members, strict=True)] == members
    file.seek(0)
    with tarfile.open(fileobj=file) as tar:
        assert [tar.extractfile(member).read() for member in tar] == members
        assert all(member.mtime == member.uid == 0 and not member.uname for member in tar)


@given(name=st.text(st.sampled_from("ab/.ü\n\udc80"), min_size=1, max_size=130))
def test_headers_of_tar_shards_are_those_of_the_pax_format(name: str):
    file, info = io.BytesIO(), tarfile.TarInfo(name)
    TarShard(file).add(name, b"123")
    info.size = 3
    header = info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")
    assert file.getvalue()[: len(header)] == header
    assert file.getvalue()[len(header) :][:3] == b"123"


@given(count=st.integers(0, 20), size=st.integers(1, 9))
def test_an_array_shard_is_an_array_whose_places_are_right(count: int, size: int):
    images = np.random.default_rng(0).integers(0, 256, (count, size, size, 3), np.uint8)
    file = io.BytesIO()
    shard = ArrayShard(file, size)
    starts = [shard.add("", image.tobytes()) for image in images]
    shard.close()
    file.seek(0)
    assert np.array_equal(np.load(file), images)
    for start, image in zip(starts, images, strict=True):
        assert file.getvalue()[start:][: image.nbytes] == image.tobytes()


names = st.builds(
    lambda stem, endings: stem + "".join(endings),
    st.sampled_from(["a", "b.c", "png", "ü ñ", "x.jpg/a"]),
    st.lists(st.sampled_from([*sorted(EXTENSIONS), ".PNG", ".Jpg"]), min_size=1, max_size=3),
)
kinds = st.sampled_from([PNG, JPEG])


@given(names, names, kinds, kinds)
def test_two_images_never_share_a_result(one: str, other: str, kind: bytes, other_kind: bytes):
    assert (file_name(one, kind) == file_name(other, other_kind)) == ((one, kind) == (other, other_kind))


@given(names)
def test_results_are_named_for_their_content(name: str):
    assert file_name(name, PNG).lower().endswith(".png")
    assert file_name(name, JPEG).lower().endswith((".jpg", ".jpeg", ".jpe", ".jfif"))


def test_a_name_that_says_the_content_stays_and_others_stay_in_front():
    assert file_name("x/a.png", PNG) == "x/a.png"
    assert file_name("x/a.jpeg", JPEG) == "x/a.jpeg"
    assert file_name("x/a.jpg", PNG) == "x/a.jpg.png"
    assert file_name("x/a.gif", JPEG) == "x/a.gif.jpg"
