"""One file that holds all a run needs to go on, replaced in one step.

It is a plain ``.npz`` (a zip of arrays with checksums, no pickles): arrays "GROUP/NUMBER" and one JSON text.
"""

import contextlib
import json
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np


class CheckpointError(RuntimeError):
    """A checkpoint could not be written or read; the message says what to do."""


def write_atomically(path, write):
    """Write a file so that a reader, even after a kill, meets the old file or the new one, never a part.

    Args:
        path: the file; its folder is made where it is missing.
        write: a function that is given the open binary file.

    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")  # same folder, so that os.replace is one step
    try:
        with open(partial, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def save(path, state, groups):
    """Write a checkpoint.

    Args:
        path: the file.
        state: a JSON-able dict.
        groups: dict of name to a list of arrays.

    Raises:
        CheckpointError: the disk is full or refuses; the file that was there before is untouched.

    """
    arrays = {f"{name}/{i}": _own(array) for name, group in groups.items() for i, array in enumerate(group)}
    arrays["state"] = np.array(json.dumps({"state": state, "sizes": {k: len(v) for k, v in groups.items()}}))
    try:
        write_atomically(path, lambda file: np.savez(file, **arrays))
    except OSError as error:
        kept = "The checkpoint before it is intact. " if Path(path).exists() else ""
        raise CheckpointError(
            f"the checkpoint {str(path)!r} could not be written: {error.strerror or error}. {kept}"
            "Free some space or choose another run_dir, then call fit again."
        ) from error


def _own(array):
    # An .npz knows NumPy's own types only. float32 holds each bfloat16 exactly.
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def load(path):
    """Read a checkpoint, all of it, before anything is changed.

    Returns:
        (state, groups) as given to ``save``, or None where there is no file.

    Raises:
        CheckpointError: the file is cut short, damaged or no checkpoint.

    """
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["state"]))
            groups = {name: [file[f"{name}/{i}"] for i in range(size)] for name, size in header["sizes"].items()}
            return header["state"], groups
    except FileNotFoundError:
        return None
    except (  # RuntimeError: the zip says "encrypted" or names an unknown compression
        OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error
    ) as error:  # fmt: skip
        raise CheckpointError(
            f"the checkpoint {str(path)!r} cannot be read ({type(error).__name__}: {error}). It is cut short "
            "or damaged, and nothing was loaded from it. Delete it to train from the start, or choose "
            "another run_dir."
        ) from error
