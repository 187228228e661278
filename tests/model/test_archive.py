"""Saved models: nothing is lost, the same model gives the same bytes, and what is no model of ours is refused."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from imagevae.cli.errors import BadInput
from imagevae.model.archive import FORMAT, PARTS, load_model, save_model
from imagevae.model.settings import RULES, Unfit, check_settings
from imagevae.model.vae import VAE

SETTINGS = dict(size=8, network="vector", latent_dim=2, width=4, kl_weight=0.25, held_out=0.2, seed=3)
FITTED = dict(sampler="flow", densities={"normal": -2.0, "flow": -1.0}, components=2, training={"epochs": 3})
LABELLED = dict(labels="folders", classes=["a", "b"])


def built() -> VAE:
    """A model of random weights, those of its distributions among them."""
    model, noise = VAE(**SETTINGS, **FITTED, **LABELLED), np.random.default_rng(0)
    model.set_weights([weight + 0.1 * noise.random(weight.shape, np.float32) for weight in model.get_weights()])
    model.flow.group(noise.random((3, 2)), np.full(3, 1 / 3), np.array([0, 1, -1]))
    return model


def test_a_saved_model_is_the_same_model(tmp_path: Path):
    model = built()
    save_model(model, tmp_path / "one.keras")
    loaded = load_model(tmp_path / "one.keras")
    assert loaded.settings == model.settings
    assert all(np.array_equal(a, b) for a, b in zip(loaded.get_weights(), model.get_weights(), strict=True))
    z, choice = np.random.default_rng(0).standard_normal((4, 2), np.float32), np.linspace(0, 0.9, 4, dtype=np.float32)
    for name in ("mixture", "flow"):
        one, other = (m.priors[name].sample(z, choice) for m in (model, loaded))
        assert np.isfinite(one).all()
        assert np.array_equal(one, other)
    assert np.array_equal(*(ops.convert_to_numpy(m.decode(z)) for m in (model, loaded)))


def test_the_same_model_gives_the_same_bytes_whatever_was_built_before(tmp_path: Path):
    for name in ("one.keras", "two.keras"):
        save_model(built(), tmp_path / name)
    assert (tmp_path / "one.keras").read_bytes() == (tmp_path / "two.keras").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.keras") as archive:
        assert "date_saved" not in json.loads(archive.read("metadata.json"))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("saved") / "whole.keras"
    save_model(built(), file)
    return file


def changed(file: Path, parts: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> Path:
    """A model of which some parts are others, beside it."""
    other = file.with_name("changed.keras")
    with zipfile.ZipFile(file) as archive, zipfile.ZipFile(other, "w", kind) as result:
        for name, content in ({name: archive.read(name) for name in archive.namelist()} | parts).items():
            result.writestr(name, content)
    return other


def with_settings(file: Path, **settings: object) -> Path:
    with zipfile.ZipFile(file) as archive:
        config = json.loads(archive.read("config.json"))
    config["config"] |= settings
    return changed(file, {"config.json": json.dumps(config).encode()})


def with_weights(file: Path, change: Callable[[h5py.File], object]) -> Path:
    with zipfile.ZipFile(file) as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))
    with h5py.File(content, "a") as weights:
        change(weights)
    return changed(file, {"model.weights.h5": content.getvalue()})


def assert_refused(file: Path, reason: str) -> None:
    """In one line, of our own words."""
    with pytest.raises(BadInput, match=reason) as refusal:
        load_model(file)
    assert str(refusal.value).startswith(f"{file}: ")
    assert "\n" not in str(refusal.value)
    assert "{{" not in str(refusal.value)


def test_damaged_and_foreign_models_are_refused(saved: Path, tmp_path: Path):
    content = saved.read_bytes()
    keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "network.keras")
    files = {
        "empty.keras": b"",
        "cut.keras": content[: len(content) // 2],
        "flipped.keras": content[:5000] + bytes([content[5000] ^ 255]) + content[5001:],
        "foreign.keras": (tmp_path / "network.keras").read_bytes(),
        "gaussian.keras": content.replace(b"imagevae>LaplaceVAE", b"imagevae>GaussesVAE"),  # as others were saved once
    }
    assert_refused(tmp_path / "missing.keras", "no such file")
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        assert_refused(tmp_path / name, "not a model")


@pytest.mark.parametrize("written", [None, 0, FORMAT + 1, "x"])
def test_a_model_of_another_format_is_refused_with_what_to_do(written: object, saved: Path):
    """None are those that were saved before formats had numbers."""
    metadata = {"keras_version": "3.12.4"} | ({} if written is None else {"format": written})
    file = changed(saved, {"metadata.json": json.dumps(metadata).encode()})
    assert_refused(file, f"format {written or 0}, but .* reads format {FORMAT}; use the revision of the code")


HOSTILE = {
    "size": [0, -1, 10**9, 8.0, "8", None, True, [8]],
    "network": ["x", None, 1, ["vector"]],
    "latent_dim": [0, 3, 65_536, 10**30],
    "width": [0, 5, 10**6],
    "kl_weight": ["x", -1, float("nan"), float("inf"), 10**400],
    "texture_weight": [None],
    "held_out": ["x", 2],
    "seed": [-1, 2**32, 0.5],
    "labels": ["x", "none", None],
    "classes": [
        "ab",
        [],
        ["a"],
        ["a", "b", "c"],
        ["a", "a"],
        ["a", ""],
        ["a", "all"],
        ["a", "\n"],
        ["a", "b" * 201],
        None,
    ],
    "sampler": ["x", "mixture", None],
    "densities": ["x", {"x": 1}, {"flow": "x"}, {"flow": float("nan")}, None],
    "flow_width": [0, 10**6, 6000, 8191],
    "components": [0, 6 * 10**7, 1000],
    "covariance": ["x", "full"],
    "axis_count": [0, 10**6, 63],
    "training": ["x", {"x": {}}, {"x": "y" * 1000}, {str(number): 1 for number in range(1000)}, None],
    "unknown": [1],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in HOSTILE.items() for value in values])
def test_settings_that_are_out_of_range_or_that_the_weights_do_not_bear_out_are_refused(
    name: str, value: object, saved: Path
):
    assert_refused(with_settings(saved, **{name: value}), f"{name}|its settings (are those|don't go together)")


def test_a_missing_setting_is_refused(saved: Path):
    with zipfile.ZipFile(saved) as archive:
        config = json.loads(archive.read("config.json"))
    del config["config"]["width"]
    assert_refused(changed(saved, {"config.json": json.dumps(config).encode()}), "'width' is missing")


def test_a_model_that_was_saved_before_there_were_classes_has_none(tmp_path: Path):
    save_model(VAE(**SETTINGS), tmp_path / "whole.keras")
    with zipfile.ZipFile(tmp_path / "whole.keras") as archive:
        config = json.loads(archive.read("config.json"))
    del config["config"]["labels"], config["config"]["classes"]
    before = changed(tmp_path / "whole.keras", {"config.json": json.dumps(config).encode()})
    assert load_model(before).settings == VAE(**SETTINGS).settings


@pytest.mark.parametrize("owners", [[0, 0, -1], [0, 1, 2], [0.5, 1, 0]])
def test_clusters_of_other_classes_are_refused(owners: list[float], tmp_path: Path):
    model = built()
    model.flow.group(np.zeros((3, 2)), np.full(3, 1 / 3), np.array(owners))
    save_model(model, tmp_path / "other.keras")
    assert_refused(tmp_path / "other.keras", "the clusters of its flow are not those of its classes")


def test_each_setting_has_a_rule():
    assert RULES.keys() == built().settings.keys()
    check_settings(built().settings)


WHOLE = VAE(**SETTINGS, **FITTED, **LABELLED).settings

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(settings=st.dictionaries(st.sampled_from(sorted(RULES)), any_json, min_size=1, max_size=3))
def test_settings_of_any_json_are_refused_or_right(settings: dict):
    changed = WHOLE | settings
    try:
        check_settings(changed)
    except Unfit:
        return
    assert all(RULES[name].holds(value) for name, value in changed.items())


@settings(max_examples=25)
@given(part=st.sampled_from(PARTS[:2]), content=any_json)
def test_files_of_any_json_are_refused_in_one_line(part: str, content: object, saved: Path):
    assert_refused(changed(saved, {part: json.dumps(content).encode()}), "not a model|a model in format")


@settings(max_examples=25)
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=5), end=st.booleans()
)
def test_files_with_any_bytes_changed_are_refused_or_whole(changes: list, end: bool, saved: Path):
    """At the start, where the settings are, or at the end, where the directory is."""
    content = bytearray(saved.read_bytes())
    for place, value in changes:
        place %= 3000
        content[-1 - place if end else place] = value
    file = saved.with_name("bytes.keras")
    file.write_bytes(content)
    try:
        model = load_model(file)
    except BadInput:
        return
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), built().get_weights(), strict=True))


def test_compressed_archives_are_refused_unread(saved: Path):
    """However large what they hold may be: the directory tells."""
    assert_refused(changed(saved, {}, zipfile.ZIP_DEFLATED), "compressed")
    bomb = changed(saved, {"model.weights.h5": bytes(2**28)}, zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 2**20
    assert_refused(bomb, "compressed")
    assert_refused(changed(saved, {"config.json": bytes(2**20)}), "1,000,000 bytes")
    assert_refused(changed(saved, {"more.json": b"{}"}), "nothing else")


def test_weights_are_not_read_where_they_are_more_than_the_settings_want(saved: Path):
    """However many: what takes 16 GB here takes no place on the disk."""
    file, size = saved.with_name("holes.keras"), 2**34
    with zipfile.ZipFile(saved) as archive, zipfile.ZipFile(file, "w") as result:
        for name in PARTS[:2]:
            result.writestr(name, archive.read(name))
        info = zipfile.ZipInfo(PARTS[2])
        info.header_offset, info.CRC, info.file_size, info.compress_size = result.fp.tell(), 0, size, size
        result.fp.write(info.FileHeader(zip64=True))
        result.start_dir = result.fp.seek(size, io.SEEK_CUR)
        result.filelist.append(info)
    assert_refused(file, "which take less than it holds")


FIRST = "decoder/layers/dense/vars/0"


def replaced(weights: h5py.File, **how: object) -> None:
    shape = weights[FIRST].shape
    del weights[FIRST]
    weights.create_dataset(FIRST, **({"shape": shape, "dtype": "float32"} | how))


def linked(weights: h5py.File, link: object) -> None:
    del weights[FIRST]
    weights[FIRST] = link


@pytest.mark.parametrize(
    "change",
    [
        lambda weights: linked(weights, h5py.ExternalLink("/etc/hostname", "x")),
        lambda weights: linked(weights, h5py.SoftLink("/decoder/layers/dense/vars/1")),
        lambda weights: replaced(weights, external=[("/etc/hostname", 0, 10**6)]),
        lambda weights: replaced(weights),  # which takes no place in the file
        lambda weights: replaced(weights, shape=(10**6, 10**6)),
        lambda weights: replaced(weights, dtype="float64"),
        lambda weights: replaced(weights, chunks=(1, 1), compression="gzip"),
        lambda weights: weights.create_dataset("more", data=np.ones(3, np.float32)),
        lambda weights: weights.create_group("/".join(3000 * "a")),
        lambda weights: weights.__delitem__(FIRST),
    ],
)
def test_weights_that_are_not_all_in_the_file_are_refused(change: Callable, saved: Path):
    assert_refused(with_weights(saved, change), "its weights|but it holds")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_finite_numbers_are_refused(value: float, saved: Path):
    def change(weights: h5py.File) -> None:
        weights[FIRST][0, 0] = value

    assert_refused(with_weights(saved, change), "infinite or no numbers")


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("vars/0", "scale of the decoder"),
        ("flow/vars/1", "scale of the flow"),
        ("flow/vars/4", "shares of the flow"),
        ("layers/mixture_prior/vars/0", "shares of the mixture"),
        ("layers/mixture_prior/vars/2", "factors of the mixture"),
        ("axes/vars/1", "scale of the axes"),
    ],
)
def test_weights_that_cannot_be_computed_with_are_refused(where: str, what: str, saved: Path):
    def change(weights: h5py.File) -> None:
        weights[where][...] = 0

    assert_refused(with_weights(saved, change), what)
