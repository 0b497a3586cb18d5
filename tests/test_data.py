"""The data door: CIFAR-10 found, downloaded, read, checked and named; Shapes-10 made and measured.

CIFAR-10 itself is not in the repository. Most tests use stand-in files with its layout and no pictures worth
seeing; those that need the real thing use the folder that CNNLIB_DATA names, and skip where it is not set.
"""

import codecs
import errno
import functools
import hashlib
import http.server
import inspect
import os
import pickle
import re
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import threading
import tracemalloc
import urllib.error
from pathlib import Path

import numpy as np
import pytest

from cnnlib import data
from cnnlib.data import DataError, _dataset, cifar10, course_dataset, last_used, load_cifar10, load_shapes10

REAL = os.environ.get("CNNLIB_DATA")
CARD = Path(__file__).parents[1] / "book" / "data-card.md"


# --- stand-in files ---


def stand_in_batch(number):
    """Pixels that tell image, channel, row and column apart, and balanced, mixed labels."""
    images, places = np.arange(10_000)[:, None], np.arange(3072)[None, :]
    pixels = ((images * 7 + places + 31 * number) % 251).astype(np.uint8)
    labels = np.random.default_rng(number).permutation(np.arange(10_000) % 10)
    return {b"batch_label": b"stand-in", b"labels": labels.tolist(), b"data": pixels}


def python2_pickle(batch):
    """Pickle as Python 2's cPickle, protocol 2, did: strings are byte strings, the array is a numpy.core one."""

    def string(value):
        size = bytes([len(value)]) if len(value) < 256 else struct.pack("<I", len(value))
        return (b"U" if len(value) < 256 else b"T") + size + value

    def integer(value):
        return b"K" + bytes([value]) if value < 256 else b"M" + struct.pack("<H", value)

    pixels = batch[b"data"]
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        + b"(K\x01" + integer(pixels.shape[0]) + integer(pixels.shape[1]) + b"\x86"
        + b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + b"\x89" + string(pixels.tobytes()) + b"tb"
    )  # fmt: skip
    labels = b"](" + b"".join(integer(label) for label in batch[b"labels"]) + b"e"
    return b"\x80\x02}(" + string(b"labels") + labels + string(b"data") + array + b"u."


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory):
    """A whole folder: four training files in a new pickle protocol, one and the test file in the old one."""
    folder = tmp_path_factory.mktemp("data") / cifar10.FOLDER
    folder.mkdir()
    for number, name in enumerate(cifar10.FILES):
        batch = stand_in_batch(number)
        old = name in ("data_batch_5", "test_batch")
        (folder / name).write_bytes(python2_pickle(batch) if old else pickle.dumps(batch, protocol=4))
    return folder


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path):
    """No setting, an empty Keras cache, and a network that is never there unless a test brings its own."""
    monkeypatch.delenv("CNNLIB_DATA", raising=False)
    monkeypatch.delenv("CNNLIB_DATASET", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(cifar10, "_fetch", lambda folder: pytest.fail("a download was tried"))
    monkeypatch.setattr(_dataset, "_used", {})


REAL_FETCH = cifar10._fetch


@pytest.fixture
def copy(stand_in, tmp_path, monkeypatch):
    """The stand-in folder, named by CNNLIB_DATA, its files links: a test may replace one."""
    folder = tmp_path / "given" / cifar10.FOLDER
    folder.mkdir(parents=True)
    for name in cifar10.FILES:
        (folder / name).symlink_to(stand_in / name)
    monkeypatch.setenv("CNNLIB_DATA", str(folder.parent))
    return folder


def replace(folder, name, content):
    path = folder / name
    path.unlink()
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
    return path


def cache():
    return Path(os.environ["KERAS_HOME"]) / "datasets"


def everything_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# --- what a loaded CIFAR-10 is ---


def test_agrees_with_keras_own_loader(copy, monkeypatch):
    import keras

    loader = keras.datasets.cifar10.load_data
    monkeypatch.setitem(loader.__globals__, "get_file", lambda **_: str(copy.parent))
    (x_train, y_train), (x_test, y_test) = loader()

    (x, y), (x_none, y_none), test = load_cifar10(validation=0)
    for ours, theirs in ((x, x_train), (y, y_train), (test.x, x_test), (test.y, y_test)):
        assert np.array_equal(ours, theirs)
    assert (x.dtype, y.dtype, y.shape) == (x_train.dtype, y_train.dtype, y_train.shape)
    assert x_none.shape == (0, 32, 32, 3) and y_none.shape == (0, 1)


def test_validation_is_the_last_of_each_class(copy):
    whole, parted = load_cifar10(validation=0), load_cifar10()
    assert np.array_equal(parted.test.x, whole.test.x)
    for label in range(10):
        of_class = whole.train.x[whole.train.y[:, 0] == label]
        assert np.array_equal(parted.train.x[parted.train.y[:, 0] == label], of_class[:-500])
        assert np.array_equal(parted.validation.x[parted.validation.y[:, 0] == label], of_class[-500:])


@pytest.mark.parametrize(
    ("validation", "error", "words"),
    [
        (-10, ValueError, "validation=-10 is not an integer from 0 to 49990"),
        (50_000, ValueError, "validation=50000 is not an integer from 0 to 49990"),
        (5, ValueError, "validation=5 is not a multiple of 10"),
        (0.1, TypeError, "validation=0.1 is not an integer"),
        (False, TypeError, "validation=False is not an integer"),
    ],
)
def test_validation_that_cannot_be(validation, error, words):
    with pytest.raises(error, match=words):
        load_cifar10(validation)


def test_what_it_says_of_itself(copy):
    text = repr(load_cifar10())
    assert text.splitlines()[0] == "CIFAR-10 (unverified copy): 32x32x3 images, 10 classes"
    assert "45,000 images, 4,500 a class" in text and "10,000 images, 1,000 a class" in text
    assert "airplane, automobile" in text


def test_importing_loads_no_tensorflow():
    code = "import sys, cnnlib.data; print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


# --- which copy it is ---


def test_official_files_are_known_by_their_md5(copy, monkeypatch):
    sums = {name: hashlib.md5((copy / name).read_bytes()).hexdigest() for name in cifar10.FILES}
    monkeypatch.setattr(cifar10, "OFFICIAL_MD5", sums)
    assert load_cifar10().name == "CIFAR-10"
    monkeypatch.setattr(cifar10, "OFFICIAL_MD5", {**sums, "test_batch": "0" * 32})
    assert load_cifar10().name == "CIFAR-10 (unverified copy)"


def test_jpeg_copy_is_known_by_its_labels(copy, monkeypatch):
    labels = np.concatenate([stand_in_batch(n)[b"labels"] for n in range(6)]).astype(np.uint8)
    monkeypatch.setattr(cifar10, "JPEG_COPY_LABELS_SHA256", hashlib.sha256(labels.tobytes()).hexdigest())
    assert load_cifar10().name == "CIFAR-10 (JPEG copy)"


def test_archive_is_the_one_that_keras_downloads():
    import keras

    source = inspect.getsource(sys.modules[keras.datasets.cifar10.load_data.__module__])
    assert cifar10.ORIGIN in source and cifar10.ARCHIVE_SHA256 in source


@pytest.mark.skipif(not REAL, reason="CNNLIB_DATA is not set: no CIFAR-10 here")
def test_the_real_thing(monkeypatch):
    monkeypatch.setenv("CNNLIB_DATA", REAL)
    loaded = load_cifar10(validation=0)
    assert loaded.name in ("CIFAR-10", "CIFAR-10 (JPEG copy)") and last_used() == loaded.name
    # The figures of every tutorial, and what the data card says of the JPEG copy.
    levels = np.arange(256) / 255
    shares = [np.bincount(loaded.train.x[..., c].ravel(), minlength=256) / 51_200_000 for c in range(3)]
    mean = np.array([share @ levels for share in shares])
    std = np.sqrt([share @ levels**2 for share in shares] - mean**2)
    np.testing.assert_allclose(mean, [0.4914, 0.4822, 0.4465], atol=0.002)
    below = np.array([0.2470, 0.2435, 0.2616]) - std
    assert np.all(below < 0.003) and np.all(below > (0 if "JPEG" in loaded.name else -0.0001))


# --- where it is looked for ---


def test_folder_itself_may_be_named(copy, monkeypatch):
    monkeypatch.setenv("CNNLIB_DATA", str(copy))
    assert cifar10._find() == copy


@pytest.mark.parametrize("place", ["{0}-target/{0}", "{0}/{0}", "{0}"])
def test_found_in_kerass_cache(stand_in, place):
    folder = cache() / place.format(cifar10.FOLDER)
    folder.parent.mkdir(parents=True)
    folder.symlink_to(stand_in)
    assert cifar10._find() == folder


def test_named_folder_without_data(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNLIB_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="CNNLIB_DATA is .*nowhere") as caught:
        load_cifar10()
    for advice in ("set the environment variable CNNLIB_DATA", "working network", "load_shapes10()"):
        assert advice in str(caught.value)


def test_home_of_nobody(monkeypatch):
    monkeypatch.setenv("CNNLIB_DATA", "~nosuch")
    with pytest.raises(DataError, match="CNNLIB_DATA is '~nosuch'"):
        load_cifar10()
    monkeypatch.setenv("KERAS_HOME", "~nosuch/keras")
    assert cifar10._keras_cache() == Path("~nosuch/keras/datasets")  # as Keras reads it


# --- damage: one message that names the file ---


def refuse(path, *words):
    with pytest.raises(DataError) as caught:
        load_cifar10()
    reason = caught.value.reason
    assert str(path) in reason and "\n" not in reason
    for word in words:
        assert word in reason, reason


def test_missing_file(copy):
    (copy / "data_batch_2").unlink()
    refuse(copy / "data_batch_2", "No such file")


def test_folder_in_place_of_a_file(copy):
    (copy / "data_batch_1").unlink()
    (copy / "data_batch_1").mkdir()
    refuse(copy / "data_batch_1", "Is a directory")


def test_unreadable_file(copy, monkeypatch):
    def denied(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", denied)
    refuse(copy / "data_batch_1", "Permission denied")


@pytest.mark.parametrize("kept", [0, 100, 30_000_000])
def test_truncated_file(copy, stand_in, kept):
    path = replace(copy, "data_batch_1", (stand_in / "data_batch_1").read_bytes()[:kept])
    refuse(path, "cut short or damaged", f"{kept:,} bytes")


def test_truncated_old_file(copy, stand_in):
    content = (stand_in / "test_batch").read_bytes()[:-1000]
    refuse(replace(copy, "data_batch_1", content), "cut short or damaged")


def test_file_that_is_no_pickle(copy):
    refuse(replace(copy, "data_batch_1", b"<html>404 Not Found</html>"), "cut short or damaged")


def test_file_far_too_large(copy):
    path = replace(copy, "data_batch_1", b"")
    os.truncate(path, 2**40)  # sparse: takes no room on the disk
    refuse(path, "1,099,511,627,776 bytes")


class Hostile:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_hostile_pickle_runs_nothing(copy, tmp_path, protocol):
    trace = tmp_path / "trace"
    attack = pickle.dumps({"data": Hostile(os.system, f"touch {trace}")}, protocol=protocol)
    refuse(replace(copy, "data_batch_1", attack), "more than arrays", "system")
    assert not trace.exists()
    pickle.loads(attack)  # an ordinary unpickler is taken in: the test would notice a broken attack
    assert trace.exists()


@pytest.mark.parametrize("function", [eval, getattr, np.load, np.memmap, subprocess.Popen])
def test_hostile_functions_are_not_found(copy, function):
    attack = pickle.dumps(Hostile(function, "x"))
    refuse(replace(copy, "data_batch_1", attack), "more than arrays", function.__name__)


class Built(Hostile):
    """Pickled as: call the function, then set the state."""

    def __init__(self, function, arguments, *state):
        self.call = function, arguments, *state


RECONSTRUCT, FROM_BUFFER = np.empty(0).__reduce__()[0], np.zeros(1).__reduce_ex__(5)[0]
U1, LONG = np.dtype("u1"), "a" * 10**6


def with_data(data):
    return {b"data": data, b"labels": [0] * 10_000}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        # 800 MB of pointers, asked for when the array is made, and when its state is set (NumPy crashes there).
        (with_data(Built(RECONSTRUCT, (np.ndarray, (10**8,), b"O"))), "damaged"),
        (
            with_data(Built(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (10**8,), np.dtype("O"), False, []))),
            "array of 'O8'",
        ),
        (with_data(Built(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (10**12,), U1, False, b"few"))), "damaged"),
        (with_data(Built(FROM_BUFFER, (b"few", U1, (10_000, 3072), "C"))), "damaged"),
        # memory that nobody has written to
        (with_data(Built(np.ndarray, ((10_000, 3072), U1))), "not callable"),
        (with_data(Built(RECONSTRUCT, (np.ndarray, (10_000, 3072), b"B"))), "damaged"),
        ([Built(codecs.encode, (LONG, "latin1")) for _ in range(100)], "more than arrays"),  # one text, many times
        (Built(codecs.encode, ("a", "rot13")), "'rot13'"),
    ],
)
def test_hostile_arrays(copy, content, words):
    path = replace(copy, "data_batch_1", content)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=words) as caught:
            load_cifar10()
        assert tracemalloc.get_traced_memory()[1] < 200e6
    finally:
        tracemalloc.stop()
    assert str(path) in caught.value.reason


def test_lists_in_lists_are_not_unfolded(copy):
    inner = [0] * 10_000
    content = {b"data": np.zeros((10_000, 3072), np.uint8), b"labels": [[inner] * 10_000] * 10_000}
    refuse(replace(copy, "data_batch_1", content), "labels is a list")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_pickle_protocol_is_read(stand_in, protocol, order):
    batch = stand_in_batch(0)
    written = batch | {b"data": np.array(batch[b"data"], order=order), b"labels": np.array(batch[b"labels"], ">i4")}
    data, labels = cifar10._parse(pickle.dumps(written, protocol), Path("data_batch_1"))
    np.testing.assert_array_equal(data, batch[b"data"])
    np.testing.assert_array_equal(labels, batch[b"labels"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (["a", "list"], ["holds a list"]),
        ({b"labels": [0]}, ["data is missing"]),
        ({b"data": b"bytes"}, ["data is a bytes"]),
        ({b"data": np.zeros((9_999, 3072), np.uint8)}, ["(9999, 3072)", "must be a uint8 array of shape (10000, 3072)"]),
        ({b"data": np.zeros((10_000, 3072), np.int8)}, ["int8"]),
        ({b"data": np.zeros((10_000, 3072), np.uint8)}, ["labels is missing"]),
        ({"data": np.zeros((10_000, 3072), np.uint8), "labels": [0] * 9_999}, ["labels", "10000 integers"]),
        ({"data": np.zeros((10_000, 3072), np.uint8), "labels": [[0], [1, 2]]}, ["labels", "10000 integers"]),
        ({"data": np.zeros((10_000, 3072), np.uint8), "labels": [0.5] * 10_000}, ["float64"]),
        ({"data": np.zeros((10_000, 3072), np.uint8), "labels": [0] * 9_999 + [10]}, ["from 0 to 10"]),
        ({"data": np.zeros((10_000, 3072), np.uint8), "labels": [0] * 9_999 + [-1]}, ["from -1 to 0"]),
    ],
)  # fmt: skip
def test_wrong_content(copy, content, words):
    refuse(replace(copy, "data_batch_1", content), *words)


def test_unbalanced_labels(copy):
    batch = stand_in_batch(0)
    batch[b"labels"][batch[b"labels"].index(3)] = 4
    replace(copy, "data_batch_1", batch)
    refuse(copy, "4999, 5001", "5,000 of each")


# --- download ---


@pytest.fixture(scope="session")
def archive(stand_in, tmp_path_factory):
    path = tmp_path_factory.mktemp("site") / cifar10.ARCHIVE
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        tar.add(stand_in, cifar10.FOLDER)
    return path


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class HalfHandler(QuietHandler):
    """Promises a million bytes, sends a hundred, and hangs up."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        self.wfile.write(b"x" * 100)


@pytest.fixture
def site(archive, monkeypatch):
    """`site(handler)`: a web server on this machine that stands for Toronto's, its archive the stand-in's."""
    servers = []

    def start(handler=QuietHandler):
        handler = functools.partial(handler, directory=str(archive.parent))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        monkeypatch.setattr(cifar10, "ORIGIN", f"http://127.0.0.1:{server.server_port}/{cifar10.ARCHIVE}")

    with open(archive, "rb") as file:
        monkeypatch.setattr(cifar10, "ARCHIVE_SHA256", hashlib.file_digest(file, "sha256").hexdigest())
    monkeypatch.setattr(cifar10, "_fetch", REAL_FETCH)
    monkeypatch.setenv("no_proxy", "*")
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def refuse_download(*words):
    """The download fails with one message, and the cache is as it was."""
    cache().mkdir(parents=True, exist_ok=True)
    before, timeout = everything_in(cache()), socket.getdefaulttimeout()
    refuse(cifar10.ARCHIVE, *words)
    assert everything_in(cache()) == before
    assert socket.getdefaulttimeout() == timeout


def test_download(site):
    site()
    loaded = load_cifar10()
    assert len(loaded.train.y) == 45_000
    target = f"{cifar10.FOLDER}-target"
    assert [path.name for path in sorted(cache().iterdir())] == [target, f"{target}_archive"]
    assert [path.name for path in sorted((cache() / target / cifar10.FOLDER).iterdir())] == sorted(cifar10.FILES)

    assert cifar10._find() == cache() / target / cifar10.FOLDER  # where the next call finds it


def test_half_unpacked_cache_is_made_whole(site, stand_in):
    site()
    folder = cache() / f"{cifar10.FOLDER}-target" / cifar10.FOLDER
    folder.mkdir(parents=True)
    (folder / "data_batch_1").write_bytes(b"half")
    assert len(load_cifar10().train.y) == 45_000
    assert (folder / "data_batch_1").stat().st_size == (stand_in / "data_batch_1").stat().st_size


def test_archive_in_the_cache_is_used(site, archive, monkeypatch):
    monkeypatch.setattr(cifar10, "_fetch", lambda folder: pytest.fail("a download was tried"))
    cache().mkdir(parents=True)
    shutil.copy(archive, cache())
    assert len(load_cifar10().train.y) == 45_000
    assert (cache() / cifar10.ARCHIVE).exists()  # the reader's own file stays


def test_no_such_page(site, monkeypatch):
    site()
    monkeypatch.setattr(cifar10, "ORIGIN", cifar10.ORIGIN + ".gone")
    refuse_download("404")


def test_connection_lost_half_way(site):
    site(HalfHandler)
    refuse_download("100 out of 1000000 bytes")


def test_wrong_archive(site, monkeypatch):
    site()
    monkeypatch.setattr(cifar10, "ARCHIVE_SHA256", "0" * 64)
    refuse_download("hash does not match")


def test_server_that_never_answers(site, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(cifar10, "ORIGIN", f"http://127.0.0.1:{silent.getsockname()[1]}/{cifar10.ARCHIVE}")
        monkeypatch.setattr(cifar10, "NETWORK_TIMEOUT", 0.2)
        refuse_download("timed out")


@pytest.fixture
def urlretrieve(site, monkeypatch):
    """`urlretrieve(error)`: Keras's download writes a part of the file and raises `error`."""
    import keras

    def fail_with(error):
        def partial_download(url, path, hook):
            Path(path).write_bytes(b"part of the archive")
            raise error

        monkeypatch.setitem(keras.utils.get_file.__globals__, "urlretrieve", partial_download)

    return fail_with


def test_no_network(urlretrieve):
    urlretrieve(urllib.error.URLError(socket.gaierror(-2, "Name or service not known")))
    refuse_download("Name or service not known")


def test_disk_full_while_downloading(urlretrieve):
    urlretrieve(OSError(errno.ENOSPC, "No space left on device"))
    refuse_download("No space left on device")


def test_interrupted_download_leaves_nothing(urlretrieve):
    urlretrieve(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        load_cifar10()
    assert everything_in(cache()) == []


def test_disk_full_while_unpacking(site, archive, monkeypatch):
    def full(tar, path, **_):
        (Path(path) / cifar10.FOLDER).mkdir(parents=True)
        (Path(path) / cifar10.FOLDER / "data_batch_1").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    site()
    monkeypatch.setattr(tarfile.TarFile, "extractall", full)
    refuse_download("No space left on device")


def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    refuse(tmp_path / "file", "cannot write to Keras's cache")


def test_no_keras(site, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)  # `import keras` then raises ImportError
    refuse_download("keras")


# --- the course's choice ---


def test_course_dataset_takes_cifar10(copy, capsys):
    assert last_used() is None
    load_shapes10(10, 10, 10)
    assert last_used() == "Shapes-10"
    chosen = course_dataset()
    load_shapes10(10, 10, 10)  # shown beside it: the page still stands on the other
    assert chosen.name == "CIFAR-10 (unverified copy)" == last_used()
    assert capsys.readouterr().out == ""


def test_course_dataset_falls_back_with_a_notice(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CNNLIB_DATA", str(tmp_path))
    assert course_dataset().name == "Shapes-10" == last_used()
    notice = capsys.readouterr().out
    assert notice.startswith("CIFAR-10 could not be had (CNNLIB_DATA is ")
    assert "This page runs on Shapes-10" in notice and notice.count("\n") == 1


def test_course_dataset_forced_to_shapes10(copy, monkeypatch, capsys):
    monkeypatch.setenv("CNNLIB_DATASET", "shapes10")
    monkeypatch.setattr(data, "load_cifar10", lambda: pytest.fail("CIFAR-10 was looked for"))
    assert course_dataset().name == "Shapes-10"
    assert "This page runs on Shapes-10" in capsys.readouterr().out


def test_course_dataset_forced_to_cifar10(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CNNLIB_DATASET", "cifar10")
    monkeypatch.setenv("CNNLIB_DATA", str(tmp_path))
    with pytest.raises(DataError):
        course_dataset()
    assert capsys.readouterr().out == "" and last_used() is None


def test_course_dataset_with_a_wish_unknown(monkeypatch):
    monkeypatch.setenv("CNNLIB_DATASET", "mnist")
    with pytest.raises(ValueError, match='CNNLIB_DATASET=\'mnist\' must be "cifar10" or "shapes10"'):
        course_dataset()


# --- Shapes-10 ---


@pytest.fixture(scope="session")
def shapes():
    return load_shapes10()


def test_shapes10_sizes_and_balance(shapes):
    for split, size in zip(shapes, (8000, 1000, 2000), strict=True):
        assert split.x.shape == (size, 32, 32, 3) and split.x.dtype == np.uint8
        assert split.y.shape == (size, 1) and split.y.dtype == np.uint8
        assert np.bincount(split.y[:, 0]).tolist() == [size // 10] * 10
    assert len(shapes.class_names) == len(set(shapes.class_names)) == 10


def test_shapes10_is_the_same_everywhere(shapes):
    # Seen alike under NumPy 1.26 and 2.4, with and without AVX: whoever changes a picture changes this line.
    sums = [hashlib.sha256(part.x.tobytes() + part.y.tobytes()).hexdigest()[:16] for part in shapes]
    assert sums == ["67f1604724b426a8", "b60b5382d4786b31", "21703b12b9bf5be5"]


def test_shapes10_follows_its_seed(shapes):
    again, other = load_shapes10(200, 10, 30), load_shapes10(200, 10, 30, seed=1)
    once_more = load_shapes10(200, 10, 30)
    np.testing.assert_array_equal(again.train.x, once_more.train.x)
    assert not np.array_equal(again.train.x, other.train.x)
    # The size of one split leaves the others alone.
    np.testing.assert_array_equal(load_shapes10(0, 1000, 2000).test.x, shapes.test.x)


def test_shapes10_splits_share_no_picture(shapes):
    pictures = [{picture.tobytes() for picture in part.x} for part in shapes]
    assert [len(p) for p in pictures] == [8000, 1000, 2000]
    assert len(set.union(*pictures)) == 11_000


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"train": -1}, ValueError, "train=-1 is not an integer >= 0"),
        ({"seed": -3}, ValueError, "seed=-3 is not an integer >= 0"),
        ({"test": 1.5}, TypeError, "test=1.5 is not an integer >= 0"),
        ({"validation": "10"}, TypeError, "validation='10' is not an integer >= 0"),
        ({"train": True}, TypeError, "train=True is not an integer >= 0"),
    ],
)
def test_shapes10_refuses(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        load_shapes10(**arguments)


def test_distances_against_known_areas():
    """Painted area over (2 x radius)^2 of each shape, by counting points, against elementary geometry."""
    from cnnlib.data.shapes10 import CLASS_NAMES, SIGNED_DISTANCES

    steps = (np.arange(1000) + 0.5) / 500 - 1
    x, y = steps[None, :], steps[:, None]
    area = {
        name: float(np.mean(distance(x, y, 0.25, 0.125) < 0)) * 4
        for name, distance in zip(CLASS_NAMES, SIGNED_DISTANCES, strict=True)
    }
    disc = np.pi * 0.9**2
    star = 10 * 0.5 * np.sin(np.pi / 5) * np.cos(2 * np.pi / 5) / np.cos(np.pi / 5)  # ten triangles
    expected = {
        "disc": disc,
        "ring": np.pi * (0.95**2 - 0.55**2),
        "square": 1.56**2,
        "frame": 1.66**2 - 0.94**2,
        "triangle": 3 * np.sqrt(3) / 4,  # in a circle of radius 1
        "star": star,
        "cross": 2 * 0.54 * 1.84 - 0.54**2,
        "horizontal stripes": disc / 2,
        "vertical stripes": disc / 2,
        "checkerboard": disc / 2,
    }
    for name, value in expected.items():
        assert area[name] == pytest.approx(value, rel=0.02), name


def test_logistic_regression_stays_low(shapes):
    from sklearn.linear_model import LogisticRegression

    def standardised(split):
        return (split.x.reshape(len(split.x), -1) - mean) / scale, split.y[:, 0]

    mean, scale = shapes.train.x.reshape(8000, -1).mean(axis=0, dtype=np.float32), np.float32(shapes.train.x.std())
    # C = 1e-4 is the best on the validation split of 1e-5, 1e-4 and 1e-3.
    model = LogisticRegression(C=1e-4, tol=1e-3).fit(*standardised(shapes.train))
    # It has learnt something of the training pictures, and that is of little use on new ones.
    assert model.score(*standardised(shapes.train)) > 0.25
    assert 0.10 < model.score(*standardised(shapes.test)) < 0.25


def test_first_cnn_learns_it_but_not_perfectly(shapes):
    import keras

    from cnnlib.models import baseline

    keras.utils.set_random_seed(0)
    model = baseline()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    model.fit(*shapes.train, batch_size=64, epochs=8, verbose=0)
    accuracy = model.evaluate(*shapes.test, verbose=0, return_dict=True)["accuracy"]
    print(f"first CNN on Shapes-10 after 8 epochs: {accuracy:.4f}")
    assert 0.80 < accuracy < 0.99


# --- the card ---


def test_card_gives_the_hashes_and_the_settings():
    from cnnlib.data import shapes10

    card = CARD.read_text(encoding="utf-8")
    assert cifar10.ARCHIVE_SHA256 in card
    for name, md5 in cifar10.OFFICIAL_MD5.items():
        assert f"| `{name}` | `{md5}` |" in card
    assert f"| {', '.join(cifar10.CLASS_NAMES)};" in card
    assert f"| {', '.join(shapes10.CLASS_NAMES)} |" in card
    low, high = shapes10.RADIUS
    for said in (
        f"up to {shapes10.SHIFT:g} pixels from the middle",
        f"a circle of {low} to {high} pixels",
        f"up to {np.degrees(shapes10.TILT):g} degrees either way",
        f"a standard deviation of {shapes10.NOISE}",
    ):
        assert said in card, said
    assert shapes10.DISTRACTORS == 2  # "two small discs"
