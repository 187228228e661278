"""Saved models: the same model gives the same bytes, and files that are damaged or mean harm give a clear error."""

import io
import json
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import keras

from imagevae.cli.errors import BadInput
from imagevae.cli.output import write_file
from imagevae.model.settings import BEFORE, Unfit, check_settings, check_weights
from imagevae.model.vae import VAE

FORMAT = 1  # of the model file; to be raised whenever models that were saved before can't be loaded any more
WEIGHTS = "model.weights.h5"
PARTS = ("config.json", "metadata.json", WEIGHTS)
DEPTH = 20  # of the groups in the file of weights
OF_KERAS = ("name", "trainable", "dtype")  # entries of a config that are none of the model's settings
MOST_JSON, MOST_BESIDE = 1_000_000, 10_000_000  # bytes, of settings and of what HDF5 keeps beside weights


def save_model(model: VAE, file: Path) -> None:
    """Save a model, without the state of its training, in Keras's own format (.keras).

    Keras writes the date into the archive's metadata and into its directory; both are left out here. It also numbers
    the layers of a process; here they are numbered from the start, so what the process built before does not matter.

    Raises:
        OSError: the file can't be written, or the disk is full.
    """
    weights = model.get_weights()
    keras.utils.clear_session()
    bare = VAE.from_config(model.get_config())
    bare.set_weights(weights)
    with tempfile.TemporaryDirectory() as folder:
        dated = Path(folder, "model.keras")
        bare.save(dated)
        write_file(file, _without_dates(dated))


def _without_dates(file: Path) -> bytes:
    result = io.BytesIO()
    with zipfile.ZipFile(file) as dated, zipfile.ZipFile(result, "w") as undated:
        for name in sorted(dated.namelist()):
            content = dated.read(name)
            if name == "metadata.json":
                metadata = json.loads(content)
                del metadata["date_saved"]
                content = json.dumps({**metadata, "format": FORMAT}).encode()
            undated.writestr(zipfile.ZipInfo(name), content)  # dated 1980-01-01
    return result.getvalue()


def load_model(file: Path) -> VAE:
    """Load a model that `save_model` wrote.

    The file may be from anybody. Nothing is built of its settings before they are looked through, Keras takes nothing
    but the weights from it, and these take no memory before the file is known to hold as many as the settings want.

    Raises:
        BadInput: no such file, not a model of this project, one of another version, or a damaged one.
    """
    if not file.is_file():
        raise BadInput(f"{file}: no such file; it must be a model that stages/train.py saved")
    try:
        with zipfile.ZipFile(file) as archive:
            _check_parts(archive)
            settings = _read_settings(archive)
            _check_stored(archive, _count_weights(settings))
        model = VAE(**settings)
        model.load_weights(file)
        check_weights(model)
    except (MemoryError, BadInput):
        raise
    except Exception as error:  # Keras, h5py and zipfile raise a wide choice of them for damaged files
        reason = f" ({error})" if isinstance(error, Unfit) else ""
        raise BadInput(f"{file}: not a model that this version of train.py saved, or damaged{reason}") from error
    return model


def _check_parts(archive: zipfile.ZipFile) -> None:
    """Look at the directory of an archive: what it holds must be as large as it says, and be there in full."""
    parts = archive.infolist()
    if sorted(part.filename for part in parts) != sorted(PARTS):
        raise Unfit(f"it must hold {', '.join(PARTS)} and nothing else")
    if any(part.compress_type != zipfile.ZIP_STORED or part.file_size != part.compress_size for part in parts):
        raise Unfit("what it holds is compressed, which train.py never does")
    if any(part.file_size > MOST_JSON for part in parts if part.filename != WEIGHTS):
        raise Unfit(f"its settings take more than {MOST_JSON:,} bytes")


def _read_settings(archive: zipfile.ZipFile) -> dict[str, Any]:
    """The settings of a model, see `check_settings`."""
    config = json.loads(archive.read("config.json"))
    if config["registered_name"] != keras.saving.get_registered_name(VAE):
        raise Unfit("a network of another kind")
    written = json.loads(archive.read("metadata.json")).get("format", 0)
    if written != FORMAT:
        raise BadInput(
            f"{archive.filename}: a model in format {str(written)[:20]}, but this version of the code reads format "
            f"{FORMAT}; use the revision of the code that it was trained with, or train it again"
        )
    settings = BEFORE | {name: value for name, value in config["config"].items() if name not in OF_KERAS}
    check_settings(settings)
    return settings


def _count_weights(settings: dict[str, Any]) -> int:
    """How many weights a model of such settings has, without memory for them."""

    def count() -> int:
        with keras.StatelessScope(initialize_variables=False):
            return VAE(**settings).count_params()

    with ThreadPoolExecutor(1) as apart:  # Keras keeps what it has not initialised for each thread, and not for others
        try:
            return apart.submit(count).result()
        except ValueError as error:
            raise Unfit(f"its settings don't go together: {error}") from None


def _check_stored(archive: zipfile.ZipFile, wanted: int) -> None:
    """Look whether as many weights as are wanted lie in an archive in full, and nowhere else."""
    if archive.getinfo(WEIGHTS).file_size > 4 * wanted + MOST_BESIDE:
        raise Unfit(f"its settings are those of a model of {wanted:,} weights, which take less than it holds")
    with h5py.File(io.BytesIO(archive.read(WEIGHTS))) as stored:
        links, arrays = dict[str, object](), list[h5py.Dataset]()
        # What is no None ends the walk; one through thousands of levels would take minutes.
        if stored.visititems_links(lambda path, link: links.update({path: link}) if path.count("/") < DEPTH else path):
            raise Unfit("its weights lie too deep")
        stored.visititems(lambda _, entry: arrays.append(entry) if isinstance(entry, h5py.Dataset) else None)
        if not all(isinstance(link, h5py.HardLink) for link in links.values()):
            raise Unfit("its weights lie elsewhere")
        whole = all(each.dtype == "float32" and each.id.get_storage_size() == each.nbytes for each in arrays)
        if not whole or any(each.chunks or each.external or each.is_virtual for each in arrays):
            raise Unfit("its weights are not all there")
        held = sum(each.size for each in arrays)
    if held != wanted:
        raise Unfit(f"its settings are those of a model of {wanted:,} weights, but it holds {held:,}")
