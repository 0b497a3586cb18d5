"""CIFAR-10: find it, or download it, read it safely, check it, and say which copy it is."""

import hashlib
import io
import os
import pickle
import re
import shutil
import socket
import tarfile
import tempfile
from pathlib import Path

import numpy as np

from cnnlib._arguments import integer
from cnnlib.data._dataset import DataError, Dataset, Split, remember

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDER = "cifar-10-batches-py"
TRAIN_FILES = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST_FILE = "test_batch"
FILES = (*TRAIN_FILES, TEST_FILE)
BATCH_SIZE = 10_000  # images in a file
PIXELS = 32 * 32 * 3  # numbers in an image
TRAIN_PER_CLASS, TEST_PER_CLASS = 5_000, 1_000

ORIGIN = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
ARCHIVE = "cifar-10-python.tar.gz"
# The archive's SHA-256 stands in keras.datasets.cifar10, the files' MD5 in torchvision.datasets.CIFAR10.
ARCHIVE_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
OFFICIAL_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
# SHA-256 of the 60,000 labels, a byte each, in the order of the JPEG copy. Its pixels are no sure sign:
# two JPEG decoders may differ in the last bit.
JPEG_COPY_LABELS_SHA256 = "bfecf51857bbd06be1ba2f34c9213e92d5c95dff289417c8b3392370e6abc96b"

NETWORK_TIMEOUT = 20  # seconds without an answer
LARGEST_FILE = 64 * 2**20  # bytes; a batch has 31 million


def load_cifar10(validation=5000):
    """Load CIFAR-10, with a validation split taken from the training images.

    Looks for the folder `cifar-10-batches-py` in the folder that the environment variable CNNLIB_DATA
    names; if that is not set, in Keras's cache (`~/.keras/datasets`); if it is not there, downloads the
    archive (170 MB) into that cache through Keras. What is not whole is not kept.

    Args:
        validation: Number of images held out of the 50,000 for validation: a multiple of 10, from 0 to
            49,990. They are the last `validation / 10` of each class, in the order of the files; the
            other images keep that order. So the split is the same on every machine. The 10,000 test
            images are left as they are.

    Returns:
        A `Dataset`: `x` uint8 (N, 32, 32, 3), `y` uint8 (N, 1), as `keras.datasets.cifar10` gives them.
        Its name tells which copy it is: "CIFAR-10" (the official files, by their MD5), "CIFAR-10 (JPEG
        copy)" (the course's re-encoded and shuffled copy, by its labels) or "CIFAR-10 (unverified copy)".

    Raises:
        DataError: The files are missing, damaged or not CIFAR-10, or the download failed.
        ValueError: `validation` is out of range.
        TypeError: `validation` is not an integer.

    Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009; file
    layout: https://www.cs.toronto.edu/~kriz/cifar.html.
    """
    held_out_per_class = _validation_per_class(validation)
    folder = _find() or _download()
    batches, official = [], True
    for name in FILES:
        raw = _read(folder / name)
        official = official and hashlib.md5(raw, usedforsecurity=False).hexdigest() == OFFICIAL_MD5[name]
        batches.append(_parse(raw, folder / name))

    train = _join(batches[:-1], TRAIN_PER_CLASS, folder)
    test = _join(batches[-1:], TEST_PER_CLASS, folder / TEST_FILE)
    train, held = _hold_out(train, held_out_per_class)
    if official:
        name = "CIFAR-10"
    else:
        labels = np.concatenate([labels for _, labels in batches])
        is_jpeg_copy = hashlib.sha256(labels.tobytes()).hexdigest() == JPEG_COPY_LABELS_SHA256
        name = "CIFAR-10 (JPEG copy)" if is_jpeg_copy else "CIFAR-10 (unverified copy)"
    return remember(Dataset(name, CLASS_NAMES, train, held, test))


def _validation_per_class(validation):
    size = integer("validation", validation, 0, 10 * TRAIN_PER_CLASS - 10)
    if size % 10:
        raise ValueError(f"validation={validation!r} is not a multiple of 10")
    return size // 10


# --- where the files are ---


def _find():
    """Return the folder that holds the six files, or None where nothing says where and the cache has none.

    A folder that the reader named must be right: going on to a download in silence would hide a typing error.
    """
    named = os.environ.get("CNNLIB_DATA")
    if named:
        place = Path(os.path.expanduser(named))  # Path.expanduser raises for a user that is not there
        folder = next((f for f in (place / FOLDER, place) if _lists_a_batch(f)), None)
        if folder is None:
            raise DataError(f"CNNLIB_DATA is {named!r}, and there is no {FOLDER}/ with CIFAR-10 in it")
        return folder
    return next((folder for folder in _cache_folders() if _lists_all(folder)), None)


def _keras_cache():
    """Keras's own rule for its cache, told again because importing Keras takes seconds."""
    home = os.environ.get("KERAS_HOME")
    if home is None:
        user = os.path.expanduser("~")
        home = os.path.join(user if os.access(user, os.W_OK) else "/tmp", ".keras")
    return Path(os.path.expanduser(home)) / "datasets"


def _cache_folders():
    cache = _keras_cache()
    yield cache / f"{FOLDER}-target" / FOLDER  # Keras 3 since 3.7 or so
    yield cache / FOLDER / FOLDER  # Keras 3 before that
    yield cache / FOLDER  # Keras 2


def _lists_a_batch(folder):
    return any(_exists(folder / name) for name in FILES)


def _lists_all(folder):
    # A folder that lacks a file is what an interrupted extraction leaves: download anew.
    return all(_exists(folder / name) for name in FILES)


def _exists(path):
    try:
        return path.exists()
    except OSError as error:  # a folder above it that may not be entered
        raise DataError(f"cannot look for {path}: {error.strerror}") from error


# --- download ---


def _download():
    """Bring CIFAR-10 into Keras's cache and return its folder; whatever fails, nothing half-made stays."""
    cache = _keras_cache()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # Beside its destination, so that the last step is a rename: done whole or not at all.
        work = Path(tempfile.mkdtemp(prefix="cifar-10-unfinished-", dir=cache))
    except OSError as error:
        raise DataError(f"cannot write to Keras's cache {cache}: {error.strerror}") from error
    try:
        archive = _cached_archive(cache) or _fetch(work)
        _extract(archive, work / "extracted")
        # The names that keras.datasets.cifar10 looks for, so that it finds both.
        target = cache / f"{FOLDER}-target"
        if archive.parent == work:
            os.replace(archive, cache / f"{FOLDER}-target_archive")
        if target.exists():  # what an interrupted extraction left there
            os.replace(target, work / "old")
        os.replace(work / "extracted", target)
        return target / FOLDER
    except OSError as error:
        raise DataError(f"cannot unpack {ARCHIVE} in {cache}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _cached_archive(cache):
    """The archive, if it lies whole in the cache under a name that Keras or the reader gave it."""
    for name in (f"{FOLDER}-target_archive", f"{FOLDER}_archive", f"{FOLDER}.tar.gz", ARCHIVE):
        path = cache / name
        if path.is_file():
            with open(path, "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() == ARCHIVE_SHA256:
                    return path
    return None


def _fetch(folder):
    """Download the archive into `folder` with Keras, which shows the progress and checks the hash."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(NETWORK_TIMEOUT)
    try:
        import keras  # here only: it brings TensorFlow with it

        path = keras.utils.get_file(ARCHIVE, ORIGIN, file_hash=ARCHIVE_SHA256, cache_dir=str(folder), cache_subdir=".")
    except Exception as error:  # Keras raises plain Exception for a network failure
        raise DataError(f"the download of {ARCHIVE} failed: {' '.join(str(error).split())}") from error
    finally:
        socket.setdefaulttimeout(before)
    return Path(path)


def _extract(archive, folder):
    """Unpack the six files, and nothing else, into `folder`/cifar-10-batches-py.

    The archive's hash has been checked: it is whole, and what can still fail is the disk.
    """
    with tarfile.open(archive) as tar:
        members = [tar.getmember(f"{FOLDER}/{name}") for name in FILES]
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from Python 3.11.4 on
        tar.extractall(folder, members=members, **safe)


# --- read ---

# A pickled array is: make one by `_reconstruct`, then give it a state (version, shape, dtype, Fortran order,
# bytes). NumPy follows such a state blindly, so nothing of NumPy's is called while the file is read: what
# stands for its functions only notes the state, and `_array` makes the array once the sizes are known.


class _Array:
    """A pickled array as the file tells of it."""

    state = None

    def __init__(self, *_):  # the file's arguments count for nothing
        pass

    def __setstate__(self, state):
        self.state = state


class _Dtype:
    """A pickled dtype as the file tells of it."""

    order = "="

    def __init__(self, code, *_):
        self.code = code

    def __setstate__(self, state):
        self.order = state[1]


def _from_buffer(raw, dtype, shape, order):
    """Stand for the function that pickle protocol 5 calls."""
    array = _Array()
    array.state = (1, shape, dtype, order == "F", raw)
    return array


# The modules are named numpy.core in old files and numpy._core in new ones.
_ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("numpy", "ndarray"): "ndarray",  # an argument of _reconstruct; a text cannot be called
    ("numpy", "dtype"): _Dtype,
}


class _NotData(pickle.UnpicklingError):
    """The pickle asks for something that no batch of images needs."""


class _ArraysOnly(pickle.Unpickler):
    """Admits arrays and plain containers, where an ordinary unpickler calls whatever the file names."""

    encoded = 0

    def find_class(self, module, name):
        if (module, name) == ("_codecs", "encode"):
            return self._encode
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise _NotData(f"it asks for {module}.{name}") from None

    def _encode(self, text, encoding):
        """Return bytes that Python 3 wrote as a text, which is what protocol 2 has for them."""
        self.encoded += len(text)  # a file may name one long text again and again
        if encoding != "latin1" or self.encoded > LARGEST_FILE:
            raise _NotData(f"it asks for {self.encoded:,} bytes in {encoding!r}")
        return text.encode("latin1")


def _array(value):
    """Return the NumPy array that an `_Array` tells of; anything else as it is. Raises for a state that lies."""
    if not isinstance(value, _Array):
        return value
    _, shape, dtype, fortran, raw = value.state
    code = dtype.code.decode() if isinstance(dtype.code, bytes) else dtype.code
    order = dtype.order.decode() if isinstance(dtype.order, bytes) else dtype.order
    if not re.fullmatch("[iuf][1248]", code):
        raise ValueError(f"an array of {code!r}")
    return np.frombuffer(raw, np.dtype(code).newbyteorder(order)).reshape(shape, order="F" if fortran else "C")


def _read(path):
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise DataError(f"{path} has {size:,} bytes; a batch of CIFAR-10 has 31 million")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error


def _parse(raw, path):
    """Return the images of a batch, uint8 (10000, 3072), and its labels, uint8 (10000,), checked."""
    try:
        # Python 2 wrote the original files: their strings are bytes.
        batch = _ArraysOnly(io.BytesIO(raw), encoding="bytes").load()
        if isinstance(batch, dict):
            data, labels = (_array(batch.get(key.encode(), batch.get(key))) for key in ("data", "labels"))
    except _NotData as error:
        raise DataError(f"{path} holds more than arrays and was not opened: {error}") from error
    except Exception as error:  # a damaged pickle may raise almost anything (Python's pickle documentation)
        raise DataError(f"{path} is cut short or damaged ({len(raw):,} bytes): {error}") from error

    if not isinstance(batch, dict):
        raise DataError(f"{path} holds a {type(batch).__name__.lstrip('_')}; a batch is a dict of data and labels")
    shape = (BATCH_SIZE, PIXELS)
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape != shape:
        raise DataError(f"{path}: data is {_describe(data)}; it must be a uint8 array of shape {shape}")
    # Lists in lists would be unfolded, and a small file can hold very large ones: they stay, and are refused below.
    if isinstance(labels, list) and all(isinstance(label, (int, float)) for label in labels):
        labels = np.asarray(labels)
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iu" or labels.shape != (BATCH_SIZE,):
        raise DataError(f"{path}: labels is {_describe(labels)}; it must hold {BATCH_SIZE} integers")
    if labels.min() < 0 or labels.max() > 9:
        raise DataError(f"{path}: labels run from {labels.min()} to {labels.max()}; the classes are 0 to 9")
    return data, labels.astype(np.uint8)


def _describe(value):
    if isinstance(value, np.ndarray):
        return f"a {value.dtype} array of shape {value.shape}"
    return "missing" if value is None else f"a {type(value).__name__}"


# --- shape ---


def _join(batches, per_class, path):
    """Put batches together, channels last, and check that every class has `per_class` images."""
    labels = np.concatenate([labels for _, labels in batches])
    counts = np.bincount(labels, minlength=len(CLASS_NAMES))
    if np.any(counts != per_class):
        raise DataError(f"{path}: images a class are {counts.tolist()}; CIFAR-10 has {per_class:,} of each")
    images = np.empty((len(labels), 32, 32, 3), np.uint8)
    for i, (data, _) in enumerate(batches):
        part = slice(i * BATCH_SIZE, (i + 1) * BATCH_SIZE)
        images[part] = data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return Split(images, labels[:, None])


def _hold_out(split, per_class):
    """Split off the last `per_class` images of each class: (the others, those), both in file order."""
    held = np.zeros(len(split.y), bool)
    for label in range(len(CLASS_NAMES)):
        places = np.flatnonzero(split.y[:, 0] == label)
        held[places[len(places) - per_class :]] = True
    return Split(split.x[~held], split.y[~held]), Split(split.x[held], split.y[held])
