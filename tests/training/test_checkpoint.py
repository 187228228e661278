"""The state of a training on the disk: whole, of that training alone, and enough to go on from."""

from pathlib import Path

import keras
import numpy as np
import pytest

from imagevae.training.checkpoint import Checkpoint, restore, state_of, training_key

STATE = {"weights": np.arange(6.0).reshape(2, 3), "epoch": np.array(4), "history": np.array("[1, 2]")}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    Checkpoint(tmp_path / "new" / "vae.npz", "key").save(STATE)
    return tmp_path / "new" / "vae.npz"


def test_a_state_is_loaded_as_it_was_saved(saved: Path):
    state = Checkpoint(saved, "key").load()
    assert state is not None
    assert state.keys() == STATE.keys()
    assert all(np.array_equal(state[name], value) for name, value in STATE.items())
    assert list(saved.parent.iterdir()) == [saved]


def test_there_is_none_where_nothing_was_saved_or_by_another_training(saved: Path, capsys: pytest.CaptureFixture):
    assert Checkpoint(saved.with_name("other.npz"), "key").load() is None
    assert Checkpoint(saved, "another key").load() is None
    assert capsys.readouterr().err == ""


def _with_directory(content: bytes, place: int, value: int) -> bytes:
    """An archive with another byte in the last entry of its directory."""
    place += content.rindex(b"PK\1\2")
    return content[:place] + bytes([value]) + content[place + 1 :]


@pytest.mark.parametrize("damage", ["cut", "text", "archive", "one byte", "objects", "encrypted", "packed"])
def test_a_damaged_file_is_as_good_as_none_and_is_named(damage: str, saved: Path, capsys: pytest.CaptureFixture):
    content = saved.read_bytes()
    place = content.index(STATE["weights"].tobytes())
    damaged = {
        "cut": content[:-100],
        "text": b"no checkpoint",
        "archive": b"PK\3\4 not an archive",
        "encrypted": _with_directory(content, 8, 1),
        "packed": _with_directory(content, 10, 99),  # by a method that nobody knows
        "one byte": content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :],
    }
    if damage == "objects":
        np.savez(saved, key=np.array("key"), weights=np.array([None]))
    else:
        saved.write_bytes(damaged[damage])
    assert Checkpoint(saved, "key").load() is None
    assert f"{saved}: damaged" in capsys.readouterr().err


def test_the_key_is_of_parameters_and_data():
    images = np.arange(100, dtype=np.uint8)
    key = training_key([{"seed": 0}], [images])
    assert key == training_key([{"seed": 0}], [images[:30], images[30:]])
    others = [([{"seed": 1}], [images]), ([{"seed": 0}], [images[:-1]]), ([{"seed": 0}, 16], [images])]
    assert len({key, *(training_key(*other) for other in others)}) == 4


def test_the_key_is_of_the_code_and_the_libraries(monkeypatch: pytest.MonkeyPatch):
    key = training_key([], [])
    for name, value in (("code_digest", lambda: "other code"), ("version", lambda name: "0.1")):
        with monkeypatch.context() as patch:
            patch.setattr(f"imagevae.training.checkpoint.{name}", value)
            assert training_key([], []) != key


def test_a_restored_training_goes_on_as_the_one_that_was_saved():
    """With the momenta of its optimizer and the state of its random numbers."""
    x, y = np.random.default_rng(0).random((2, 8, 3), np.float32)

    def model() -> keras.Model:
        made = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5, seed=1), keras.layers.Dense(3)])
        made.compile(keras.optimizers.Adam(0.1), "mse")
        return made

    one, other = model(), model()
    one.train_on_batch(x, y)
    restore(other, state_of(one))
    for _ in range(3):
        one.train_on_batch(x, y)
        other.train_on_batch(x, y)
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))
