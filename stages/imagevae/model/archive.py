"""Saved models: the same model gives the same bytes, and a damaged file gives a clear error."""

import io
import json
import tempfile
import zipfile
from pathlib import Path

import keras

from imagevae.cli.errors import BadInput
from imagevae.cli.output import write_file
from imagevae.model.vae import VAE


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
                content = json.dumps(metadata).encode()
            undated.writestr(zipfile.ZipInfo(name), content)  # dated 1980-01-01
    return result.getvalue()


def load_model(file: Path) -> VAE:
    """Load a model that `save_model` wrote.

    Raises:
        BadInput: no such file, not a model of this project, one of another version, or a damaged one.
    """
    if not file.is_file():
        raise BadInput(f"{file}: no such file; it must be a model that stages/train.py saved")
    try:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
        if damaged:
            raise ValueError(f"checksum of {damaged}")
        model = keras.saving.load_model(file, compile=False)
        if not isinstance(model, VAE):
            raise ValueError(f"a {type(model).__name__}")
    except Exception as error:  # Keras, h5py and zipfile raise a wide choice of them for damaged files
        reason = str(error).partition("\n")[0]
        raise BadInput(f"{file}: not a model that this version of train.py saved, or damaged ({reason})") from error
    return model
