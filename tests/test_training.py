"""Training: resumed runs against undisturbed ones, best weights, budgets, precision, records."""

import dataclasses
import json
import logging
import os
import platform
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import record as record_tool
from cnnlib import compare, models, training
from cnnlib.data import Dataset, Split
from cnnlib.training import adam, budget, checkpoint, loop, recipe, record
from cnnlib.training.hardware import Hardware, _cores, _cpu, detect
from cnnlib.widgets.page_model import export_for_page

ROOT = Path(__file__).resolve().parents[1]


def toy_data(n=96, classes=3, name="toy", side=8):
    """Small noisy pictures whose class is the colour channel that is a little brighter."""
    rng = np.random.default_rng(5)

    def split(count):
        y = rng.integers(0, classes, (count, 1), dtype=np.uint8)
        x = rng.integers(0, 200, (count, side, side, 3))
        x[np.arange(count), :, :, y[:, 0]] += 25
        return Split(x.astype(np.uint8), y)

    return Dataset(name, tuple("abcdefghij"[:classes]), split(n), split(48), split(48))


def toy_net(seed=0, activation="relu", units=3):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 3, activation=activation),
            keras.layers.BatchNormalization(momentum=0.5),  # few steps: the default would lag behind
            keras.layers.Dropout(0.3),
            keras.layers.Flatten(),
            keras.layers.Dense(units),
        ],
        name="toy",
    )


def quick(model=None, data=None, **changes):
    arguments = {"epochs": 2, "batch_size": 20, "progress": False} | changes
    return training.fit(model or toy_net(), data or toy_data(), **arguments)


def metrics_of(run):
    return {name: values for name, values in run.history.items() if name != "seconds"}


class At(keras.callbacks.Callback):
    """Call `action` in the given epoch (from 0), at the given batch."""

    def __init__(self, epoch, batch, action):
        super().__init__()
        self.wanted, self.action, self.epoch = (epoch, batch), action, None

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self.epoch, batch) == self.wanted:
            self.action()


# --- killed and resumed ---------------------------------------------------------------------------------

CHILD = """
import json, os, signal, sys
import tensorflow as tf
tf.config.experimental.enable_op_determinism()
from test_training import At, metrics_of, quick, toy_net

how, run_dir, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
replace = os.replace
callbacks = {
    "mid-epoch": [At(1, 2, kill)],  # in epoch 2 of 5
    # in epoch 3: the new checkpoint is written, but has not replaced the old one
    "mid-write": [At(2, 4, lambda: setattr(os, "replace", kill))],
    # after epoch 4 was checkpointed, before epoch 5 begins
    "between": [At(3, 4, lambda: setattr(os, "replace", lambda a, b: (replace(a, b), kill())))],
    "to the end": [],
}[how]

def numbers(run):
    return {
        "metrics": metrics_of(run), "best_epoch": run.best_epoch, "resumed": run.resumed,
        "weights": [w.tolist() for w in run.model.get_weights()],
    }

run = quick(toy_net(seed), epochs=5, run_dir=run_dir, callbacks=callbacks)
assert not callbacks, "this child should have been killed"
print(json.dumps([numbers(run), numbers(quick(toy_net(0), epochs=5))]))  # resumed, undisturbed
"""


def child(how, run_dir, seed):
    return subprocess.run(
        [sys.executable, "-c", CHILD, how, str(run_dir), str(seed)],
        capture_output=True,
        text=True,
        timeout=300,  # a slow machine needs its time to load TensorFlow
        env={
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT / "tools")]),
        },
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no kill -9")
def test_a_run_killed_three_times_ends_like_an_undisturbed_one(tmp_path):
    epochs_kept = []
    for how, seed in (("mid-epoch", 0), ("mid-write", 7), ("between", 8)):  # where a resumed net starts must not show
        done = child(how, tmp_path, seed)
        assert done.returncode == -signal.SIGKILL, done.stderr
        state, _ = checkpoint.load(tmp_path / "checkpoint.npz")
        epochs_kept.append(len(state["history"]["loss"]))
    assert epochs_kept == [1, 2, 4]
    done = child("to the end", tmp_path, seed=9)
    assert done.returncode == 0, done.stderr
    resumed, undisturbed = json.loads(done.stdout.splitlines()[-1])
    assert resumed["resumed"] and not undisturbed["resumed"]
    assert resumed["best_epoch"] == undisturbed["best_epoch"]
    for name, values in undisturbed["metrics"].items():
        assert len(values) == 5
        np.testing.assert_allclose(resumed["metrics"][name], values, rtol=0, atol=1e-4, err_msg=name)
    for a, b in zip(resumed["weights"], undisturbed["weights"], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.npz"]


@pytest.fixture(scope="module")
def after_one_epoch(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    quick(epochs=1, run_dir=folder)
    return (folder / "checkpoint.npz").read_bytes()


@pytest.fixture
def started(after_one_epoch, tmp_path):
    """A run_dir that holds one epoch of `quick()`."""
    (tmp_path / "checkpoint.npz").write_bytes(after_one_epoch)
    return tmp_path


def test_a_longer_run_goes_on_from_a_finished_one(tmp_path):
    first = quick(epochs=1, run_dir=tmp_path)
    longer = quick(epochs=3, run_dir=tmp_path)
    assert not longer.resumed  # nothing was broken off
    assert metrics_of(longer)["loss"][:1] == metrics_of(first)["loss"]
    np.testing.assert_allclose(longer.history["loss"], quick(epochs=3).history["loss"], atol=1e-4)
    again = quick(toy_net(seed=3), epochs=3, run_dir=tmp_path)  # finished: read, not trained
    assert again.history == longer.history
    for a, b in zip(again.model.get_weights(), longer.model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="epochs=2 is not an integer >= 3"):
        quick(epochs=2, run_dir=tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch_size": 32}, "batch_size is 20 there and 32 here"),
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"images": 64}, "images is 96 there and 64 here"),
        ({"learning_rate": 0.01}, "'learning_rate': 0.001.* there and .*'learning_rate': 0.01"),
        ({"data": toy_data(name="other")}, "dataset is 'toy' there and 'other' here"),
        ({"data": toy_data(n=97)}, "data_crc32 is"),
    ],
)
def test_another_recipe_is_not_resumed(started, changes, words):
    before = (started / "checkpoint.npz").read_bytes()
    with pytest.raises(ValueError, match=words) as caught:
        quick(run_dir=started, **changes)
    assert str(started) in str(caught.value)
    assert (started / "checkpoint.npz").read_bytes() == before


def test_another_net_is_not_resumed(started):
    for net in (toy_net(activation="tanh"), toy_net(units=4)):  # the first has weights of the same shapes
        weights = net.get_weights()
        with pytest.raises(ValueError, match="layers is"):
            quick(net, run_dir=started)
        for a, b in zip(net.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(a, b)


def wired_net(skip=True, kernel_regularizer=None, kernel_initializer="glorot_uniform", name=None, **call):
    """Weights of the same shapes, whatever the arguments."""
    keras.utils.set_random_seed(0)
    settings = {"kernel_regularizer": kernel_regularizer, "kernel_initializer": kernel_initializer, "name": name}
    image = keras.Input((8, 8, 3))
    a = keras.layers.Conv2D(3, 3, padding="same", **settings)(image)
    b = keras.layers.BatchNormalization()(a, **call)
    both = keras.layers.Add()([a, b] if skip else [b, b])
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(both)))


def nested(block):
    """The wired net inside a class of one's own, whose `call` nobody can look into."""

    class Outer(keras.Model):
        def __init__(self):
            super().__init__()
            self.block = block

        def call(self, x, training=None):
            return self.block(x)

    return Outer()


OTHER_NETS = {
    "regularizer": {"kernel_regularizer": keras.regularizers.L2(0.5)},
    "initializer": {"kernel_initializer": "zeros"},
    "wiring": {"skip": False},
    "asleep in its call": {"training": False},
}


@pytest.mark.parametrize("wrap", [lambda net: net, nested], ids=["functional", "inside a class"])
@pytest.mark.parametrize("other", OTHER_NETS.values(), ids=OTHER_NETS)
def test_settings_and_wiring_are_seen(wrap, other):
    net = recipe.fingerprint(wrap(wired_net()))
    assert recipe.fingerprint(wrap(wired_net(**other))) != net
    assert recipe.fingerprint(wrap(wired_net(name="first"))) == net  # names are not


def test_a_net_with_another_regularizer_or_wiring_is_not_resumed(tmp_path):
    quick(wired_net(kernel_regularizer=keras.regularizers.L2(0.5)), epochs=1, run_dir=tmp_path / "regularizer")
    quick(wired_net(skip=False), epochs=1, run_dir=tmp_path / "wiring")
    for folder in ("regularizer", "wiring"):
        with pytest.raises(ValueError, match="layers is"):
            quick(wired_net(), run_dir=tmp_path / folder)


def test_seeds_and_what_was_called_are_no_part_of_a_net():
    def augmented(batch, rate=0.5):
        # RandomCrop makes a seed up; without an Input the net is built by its first call.
        layers = [keras.layers.RandomCrop(6, 6), keras.layers.Flatten(), keras.layers.Dropout(rate)]
        net = keras.Sequential([*layers, keras.layers.Dense(3)])
        net(np.zeros((batch, 8, 8, 3)))
        return recipe.fingerprint(net)

    assert augmented(2) == augmented(3) != augmented(2, rate=0.4)
    a, b = (recipe.fingerprint(models.baseline(asleep=asleep)) for asleep in (False, True))
    assert a != b


def test_a_checkpoint_of_another_version_is_not_resumed(started):
    path = started / "checkpoint.npz"
    state, groups = checkpoint.load(path)
    checkpoint.save(
        path, {k: v for k, v in state.items() if k not in ("format", "stopped")}, groups
    )  # the first format
    with pytest.raises(ValueError, match="run_dir='.*' holds a run that another version of cnnlib began"):
        quick(run_dir=started)


def test_a_run_stopped_by_a_callback_is_finished(tmp_path, capsys):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    first = quick(epochs=5, run_dir=tmp_path, callbacks=[Stop()])
    assert len(first.history["loss"]) == 2
    for epochs in (5, 3):
        again = quick(toy_net(seed=4), epochs=epochs, run_dir=tmp_path, callbacks=[Stop()], progress=True)
        assert again.history == first.history and not again.resumed
        assert "a callback stopped it after epoch 2" in capsys.readouterr().out
        for a, b in zip(again.model.get_weights(), first.model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    longer = quick(epochs=6, run_dir=tmp_path)
    assert len(longer.history["loss"]) == 6 and longer.history["loss"][:2] == first.history["loss"]
    assert not longer.resumed


def test_a_damaged_checkpoint_is_refused_and_changes_nothing(started):
    path = started / "checkpoint.npz"
    good = path.read_bytes()
    middle, entry = len(good) // 2, good.rindex(b"PK\1\2")  # the zip's directory tells there of its last array

    def flipped(place, bits=255):
        return good[:place] + bytes([good[place] ^ bits]) + good[place + 1 :]

    damaged = flipped(middle), flipped(entry + 8, 1), flipped(entry + 10)  # "encrypted", an unknown compression
    for bad in (b"", good[:3], good[:middle], good[:-1], *damaged, b"not a checkpoint"):
        path.write_bytes(bad)
        net = toy_net(seed=2)
        weights = net.get_weights()
        with pytest.raises(training.CheckpointError, match="cannot be read .* Delete it to train from the start"):
            quick(net, run_dir=started)
        for a, b in zip(net.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(a, b)
    path.write_bytes(good)
    assert quick(epochs=1, run_dir=started).history["loss"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_leaves_the_checkpoint_before_it(tmp_path):
    path = tmp_path / "checkpoint.npz"
    fill = At(1, 0, lambda: (tmp_path / "checkpoint.npz.partial").symlink_to("/dev/full"))
    with pytest.raises(training.CheckpointError, match="No space left.*before it is intact"):
        quick(epochs=3, run_dir=tmp_path, callbacks=[fill])
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]
    run = quick(epochs=3, run_dir=tmp_path)
    assert run.resumed and len(run.history["loss"]) == 3


def test_stopped_by_hand(tmp_path):
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"epoch 2 of 3; the 1 before it are kept in .*: call fit again"):
        quick(epochs=3, run_dir=tmp_path, callbacks=[At(1, 1, stop)])
    with pytest.raises(KeyboardInterrupt, match="epoch 1 of 3; no epoch is kept"):
        quick(epochs=3, callbacks=[At(0, 1, stop)])
    np.testing.assert_allclose(
        quick(epochs=3, run_dir=tmp_path).history["val_loss"], quick(epochs=3).history["val_loss"], atol=1e-4
    )


# --- fit ------------------------------------------------------------------------------------------------


def test_the_best_epoch_s_weights_come_back(tmp_path):
    data = toy_data()

    net = toy_net()

    def turn_round():  # the last epoch ends with every answer turned round
        net.layers[-1].kernel.assign(-net.layers[-1].kernel)

    run = quick(net, data, epochs=5, learning_rate=0.01, callbacks=[At(4, 4, turn_round)], run_dir=tmp_path)
    accuracies = run.history["val_accuracy"]
    assert accuracies[4] < max(accuracies) - 0.3  # else this would show nothing
    assert run.best_epoch == 1 + int(np.argmax(accuracies))
    _, accuracy = run.model.evaluate(*data.validation, verbose=0)
    assert accuracy == pytest.approx(max(accuracies))


def test_each_epoch_sees_every_image_once_in_an_order_of_its_own():

    x, y = np.arange(10)[:, None], np.arange(10)

    def orders(seed, epochs):
        batches = [b.numpy().tolist() for e in epochs for _, b in loop._batches(x, y, 4, seed, lambda e=e: e)]
        assert [len(b) for b in batches] == [4, 4, 2] * len(epochs)
        flat = sum(batches, [])
        return [flat[i : i + 10] for i in range(0, len(flat), 10)]

    all_five = orders(0, range(5))
    assert all(sorted(order) == list(range(10)) for order in all_five)
    assert len({tuple(order) for order in all_five}) == 5
    assert orders(0, range(3, 5)) == all_five[3:]  # what a resumed run sees
    assert orders(1, range(5)) != all_five


def test_several_steps_in_one_call_train_what_single_steps_train(monkeypatch):
    runs = []
    for most in (1, 4):
        monkeypatch.setattr(loop, "STEPS_A_CALL", most)
        # 5 whole batches and a small one: the second call of an epoch finds two steps instead of four
        runs.append(quick(epochs=3, batch_size=8, images=43))
        assert runs[-1].model.steps_per_execution == most
    single, several = (run.history for run in runs)
    for metric in ("loss", "accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(single[metric], several[metric], rtol=1e-4)


@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"])
def test_a_callback_that_watches_batches_sees_every_one(hook):
    seen = []
    watch = type("Watch", (keras.callbacks.Callback,), {hook: lambda self, batch, logs=None: seen.append(batch)})
    quick(epochs=2, batch_size=8, images=43, callbacks=[watch()])
    assert seen == [*range(6)] * 2
    # One that does not costs nothing
    idle = [keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None), keras.callbacks.EarlyStopping()]
    assert quick(batch_size=8, images=43, callbacks=idle).model.steps_per_execution == loop.STEPS_A_CALL


def test_many_nets_are_no_false_alarm():
    """TensorFlow warns of "retracing" when one net after the other is trained."""
    alarm, other, heard = "5 out of the last 5 calls triggered tf.function retracing.", "something else", []
    log, handler = logging.getLogger("tensorflow"), logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())
    log.addHandler(handler)
    try:
        watch = keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs: [log.warning(text) for text in (alarm, other)]
        )
        quick(callbacks=[watch])
        log.warning(alarm)  # outside of fit it is left alone
    finally:
        log.removeHandler(handler)
    assert heard == [other, alarm]


def test_large_steps_are_made_one_by_one():
    small, large = models.lenet5(), models.vgg16()
    assert loop._steps_a_call(small, 32) == loop.STEPS_A_CALL
    assert loop._steps_a_call(large, 32) == 1
    assert loop._steps_a_call(models.inception10(), 1024) == 1


def test_the_bar_ends_where_the_epochs_end(monkeypatch):
    bars = []
    make = loop._bar
    monkeypatch.setattr(loop, "_bar", lambda *args: bars.append(make(*args)) or bars[-1])
    monkeypatch.setattr(loop, "_in_notebook", lambda: True)
    quick(epochs=2, batch_size=8, images=43, progress=True)
    assert bars[0].total == 12 and bars[0].n == 12


@pytest.mark.parametrize("steps", [1, 12])
def test_adam_in_one_operation_steps_as_kerass_does(steps):
    rng = np.random.default_rng(steps)
    shapes = [(3, 3, 4, 8), (8,), (50, 70)]
    schedule = training.warm_up_and_decay(images=100, batch_size=10, epochs=3)
    for settings in (
        {},
        {"learning_rate": schedule},
        {"beta_1": 0.5, "epsilon": 0.1},
        {"amsgrad": True},
        {"clipnorm": 0.5},
    ):
        first = [rng.normal(size=shape).astype("float32") for shape in shapes]
        given = [[rng.normal(size=shape).astype("float32") for shape in shapes] for _ in range(steps)]
        ends = []
        for kind in (keras.optimizers.Adam, adam.Adam):
            weights = [keras.Variable(w, name=f"w{i}") for i, w in enumerate(first)]
            optimizer = kind(**settings)
            for gradients in given:
                optimizer.apply([tf.constant(g) for g in gradients], weights)
            ends.append([*weights, *optimizer.variables])
        names = [[v.name for v in end[3:]] for end in ends]
        assert names[0] == names[1]  # a checkpoint of one fits the other
        for keras_own, own in zip(*ends, strict=True):
            np.testing.assert_allclose(keras_own, own, rtol=1e-4, atol=1e-6)
        assert steps == 1 or not np.allclose(ends[1][0], first[0])  # the schedule begins at 0


def test_a_subset_is_drawn_by_the_seed():

    split = toy_data().train
    x, y = loop._subset(split, 30, seed=4)
    assert x.shape == (30, 8, 8, 3) and y.shape == (30, 1)
    again, _ = loop._subset(split, 30, seed=4)
    other, _ = loop._subset(split, 30, seed=5)
    np.testing.assert_array_equal(x, again)
    assert (x != other).any()
    assert len(loop._subset(split, 1000, seed=0)[0]) == 96
    assert quick(epochs=1, images=30).recipe["images"] == 30


def test_one_function_is_traced_for_all_epochs():
    traced = []

    class Counting(keras.layers.Layer):
        def call(self, x):
            traced.append(x.shape)  # runs when Python runs: at each trace, not at each step
            return x

    keras.utils.set_random_seed(0)
    net = keras.Sequential([keras.Input((8, 8, 3)), Counting(), keras.layers.Flatten(), keras.layers.Dense(3)])

    def traces(epochs):
        del traced[:]
        net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
        quick(net, epochs=epochs)
        return len(traced)

    assert traces(6) == traces(2)


def test_logits_or_probabilities_are_told_apart():
    logits, probabilities = toy_net(), toy_net()
    probabilities = keras.Sequential([*probabilities.layers, keras.layers.Softmax()])
    runs = [quick(net, epochs=1) for net in (logits, probabilities)]
    assert [run.recipe["loss"]["from_logits"] for run in runs] == [True, False]
    np.testing.assert_allclose(runs[0].history["loss"], runs[1].history["loss"], rtol=1e-3)


def test_a_compiled_net_keeps_its_optimizer_and_its_metric():
    net = keras.Sequential([*toy_net().layers, keras.layers.Softmax()])
    net.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
    run = quick(net, epochs=1)
    assert run.recipe["optimizer"]["name"] == "SGD" and run.recipe["optimizer"]["learning_rate"] == 0.05
    assert 0 <= run.history["val_accuracy"][0] <= 1
    with pytest.raises(
        ValueError, match="learning_rate must be None for a net that is compiled already, or its own, got 0.1"
    ):
        quick(net, learning_rate=0.1)
    blind = toy_net()
    blind.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(ValueError, match=r'compile the net with metrics=\["accuracy"\]'):
        quick(blind)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"epochs": 0}, ValueError, "epochs=0 is not an integer >= 1"),
        ({"epochs": 1.5}, TypeError, "epochs=1.5 is not an integer >= 1"),
        ({"epochs": True}, TypeError, "epochs=True is not an integer >= 1"),
        ({"batch_size": -1}, ValueError, "batch_size=-1 is not an integer >= 1"),
        ({"images": 0}, ValueError, "images=0 is not an integer >= 1"),
        ({"seed": -1}, ValueError, "seed=-1 is not an integer >= 0"),
        ({"learning_rate": 0}, ValueError, "learning_rate=0 is not a finite number above 0"),
        ({"learning_rate": float("nan")}, ValueError, "learning_rate=nan is not a finite number above 0"),
        ({"learning_rate": float("inf")}, ValueError, "learning_rate=inf is not a finite number above 0"),
        ({"learning_rate": "fast"}, TypeError, "learning_rate='fast' is not a number, a Keras schedule or None"),
        ({"learning_rate": True}, TypeError, "learning_rate=True is not a number"),
        ({"callbacks": None}, TypeError, "callbacks=None is not a list of Keras callbacks"),
        ({"callbacks": keras.callbacks.TerminateOnNaN()}, TypeError, "callbacks=.* is not a list of Keras callbacks"),
        ({"callbacks": [print]}, TypeError, "callbacks=.* is not a list of Keras callbacks"),
        ({"model": "net"}, TypeError, "model='net' is not a keras.Model"),
        ({"data": "cifar10"}, TypeError, "dataset, a str, is not .* lacks name, train.x, train.y, validation.x"),
        ({"data": tuple(toy_data())}, TypeError, "dataset, a tuple, is not .* lacks name, train.x"),
        ({"run_dir": 3}, TypeError, "run_dir=3 is not a path or None"),
        ({"run_dir": __file__}, ValueError, "run_dir='.*' is a file; it must be a folder"),
    ],
)
def test_bad_arguments(changes, error, words):
    with pytest.raises(error, match=words):
        quick(**changes)


def test_a_split_must_hold_as_many_images_as_labels():
    good = toy_data()
    for bad in (Split(good.train.x[:0], good.train.y[:0]), Split(good.train.x[:9], good.train.y)):
        for part in ("train", "validation"):
            words = f"dataset.{part} has {len(bad.x)} images and {len(bad.y)} labels"
            with pytest.raises(ValueError, match=words):
                quick(data=dataclasses.replace(good, **{part: bad}))


def test_a_net_must_have_an_output_a_class():
    words = r"model puts out an array of shape \(None, 2\), and the labels run from 0 to 2; .* classes > 2"
    net = toy_net(units=2)
    with pytest.raises(ValueError, match=words):
        quick(net)
    assert not net.compiled  # the same call with a right net, or a right call with this one, still works
    net.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    with pytest.raises(ValueError, match=words):
        quick(net)
    flat = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(3, 8)])  # its output is (N, 1, 1, 3)
    with pytest.raises(ValueError, match=r"shape \(None, 1, 1, 3\)"):
        quick(flat)
    with pytest.raises(ValueError, match="labels run from -1 to 2"):
        good = toy_data()
        quick(data=dataclasses.replace(good, train=Split(good.train.x, good.train.y.astype(int) - 1)))


def test_a_learning_rate_may_be_a_schedule():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 10, 0.9)
    rate = quick(epochs=1, learning_rate=schedule).recipe["optimizer"]["learning_rate"]
    assert rate["class_name"] == "ExponentialDecay" and rate["config"]["decay_rate"] == 0.9
    plain = keras.optimizers.schedules.CosineDecay(0.01, 10)
    for one, words in ((schedule, "decay_rate=0.9"), (plain, "CosineDecay(initial_learning_rate=0.01")):
        record = quick(epochs=1, learning_rate=one).record("toy")
        assert words in training.conditions(record)


def test_the_same_call_goes_on_with_the_same_net(tmp_path):
    """What the message of a broken-off run says, for a cell that makes no new net; the rate may have fallen since."""

    def again(net, folder, rate=0.01, epochs=4, stop=False):
        def fall(epoch, rate):
            if stop and epoch == 2:
                raise KeyboardInterrupt
            return 0.01 * 0.5**epoch

        slower = keras.callbacks.LearningRateScheduler(fall)
        return quick(net, epochs=epochs, learning_rate=rate, run_dir=folder, callbacks=[slower])

    net = toy_net(0)
    with pytest.raises(KeyboardInterrupt, match="the 2 before it are kept"):
        again(net, tmp_path / "a", stop=True)
    resumed = again(net, tmp_path / "a")
    undisturbed = again(toy_net(0), tmp_path / "b")
    assert resumed.resumed and resumed.recipe == undisturbed.recipe
    assert resumed.recipe["optimizer"]["learning_rate"] == 0.01
    np.testing.assert_allclose(resumed.history["loss"], undisturbed.history["loss"], atol=1e-4)
    again(net, tmp_path / "a")  # only read
    again(net, tmp_path / "a", epochs=5)
    with pytest.raises(ValueError, match="learning_rate must be None for a net that is compiled already, or its own"):
        again(net, tmp_path / "c", rate=0.02)
    net.optimizer.learning_rate = 0.002  # by hand: another recipe
    with pytest.raises(ValueError, match="another recipe: optimizer"):
        again(net, tmp_path / "a", rate=None)


def test_a_callback_that_watches_batches_is_heard_on_a_net_that_was_trained_before():
    net, heard = toy_net(0), []
    quick(net, epochs=1)
    assert net.steps_per_execution > 1
    quick(net, epochs=1, callbacks=[keras.callbacks.LambdaCallback(on_train_batch_end=lambda n, logs: heard.append(n))])
    assert heard == list(range(5))


def test_a_trained_net_can_be_saved_and_loaded(tmp_path):
    from cnnlib import models

    rng = np.random.default_rng(3)
    some = Split(rng.integers(0, 256, (40, 32, 32, 3), np.uint8), rng.integers(0, 3, (40, 1)))
    large = dataclasses.replace(toy_data(), train=some, validation=some)
    for net, data in ((toy_net(0), toy_data()), (models.lenet5(), large), (models.baseline(asleep=True), large)):
        training.fit(net, data, epochs=1, batch_size=20, progress=False)
        net.save(tmp_path / "net.keras")
        loaded = keras.models.load_model(tmp_path / "net.keras")
        assert type(loaded) is type(net) and type(loaded.optimizer) is type(net.optimizer)
        x = data.validation.x[:4].astype("float32")
        np.testing.assert_allclose(loaded(x), net(x), atol=1e-5)


@pytest.mark.parametrize(
    ("change", "augment", "words"),
    [
        (
            {"y": np.eye(3, dtype=int)[np.zeros(100, int)]},
            False,
            r"dataset.train.y has the shape \(100, 3\).*not one-hot rows",
        ),
        ({"y": np.zeros(100)}, False, "dataset.train.y has the shape .* the type float64"),
        ({"x": np.zeros((100, 8, 8), "uint8")}, True, r"dataset.train.x has the shape \(100, 8, 8\)"),
    ],
)
def test_images_and_labels_of_another_shape_are_named(change, augment, words):
    data = toy_data(100)
    net = toy_net(0)
    with pytest.raises(ValueError, match=words):
        quick(net, dataclasses.replace(data, train=data.train._replace(**change)), augment=augment)
    assert not net.compiled


def test_progress_is_a_line_an_epoch_in_a_log(capsys):
    quick(progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("epoch 1/2: loss ") and lines[1].startswith("epoch 2/2: loss ")
    assert lines[2].startswith("best: epoch ")
    quick()
    assert capsys.readouterr().out == ""


def test_progress_in_a_notebook_is_a_bar_beside_the_output(capsys, monkeypatch):
    monkeypatch.setattr(loop, "_in_notebook", lambda: True)
    quick(progress=True)
    shown = capsys.readouterr()
    assert "epoch 1/2:" in shown.err and "/10 [" in shown.err
    # What a built page keeps (it drops stderr) is the log's lines, and nothing of the bar.
    assert [line[:12] for line in shown.out.splitlines()] == ["epoch 1/2: l", "epoch 2/2: l", "best: epoch "]


# --- the trap: `call` without `training` ----------------------------------------------------------------


class Printed(keras.Model):
    """A net written as the notes write theirs."""

    def __init__(self):
        super().__init__()
        self.scale = keras.layers.Rescaling(1 / 255)
        self.block = keras.Sequential([keras.layers.Conv2D(4, 3), keras.layers.BatchNormalization()])
        self.drop = keras.layers.Dropout(0.3)
        self.flat = keras.layers.Flatten()
        self.dense = keras.layers.Dense(3)

    def call(self, x):
        return self.dense(self.flat(self.drop(self.block(self.scale(x)))))


class Mended(Printed):
    def call(self, x, training=None):
        return super().call(x)


def test_a_call_without_training_is_warned_of(recwarn):
    with pytest.warns(UserWarning, match="Printed.call takes no `training`.*BatchNormalization and Dropout") as seen:
        run = quick(Printed(), epochs=1)
    assert seen[0].filename == __file__  # it points at the caller's line
    bn = run.model.block.layers[1]
    np.testing.assert_array_equal(bn.moving_mean, np.zeros(4))  # it never saw a batch
    run = quick(Mended(), epochs=1)
    assert np.abs(run.model.block.layers[1].moving_mean).min() > 0


@pytest.mark.parametrize("net", [Mended, toy_net])
def test_nets_that_are_right_are_not_warned_of(net, recwarn):
    quick(net(), epochs=1)
    assert not [w for w in recwarn if "training" in str(w.message)]


# --- scale and precision --------------------------------------------------------------------------------

LAPTOP = Hardware("a laptop", cores=8)
SERVER = Hardware("a server", cores=2, cpu_bfloat16=True)
T4 = Hardware("a server", cores=2, gpu="Tesla T4", gpu_count=1, compute_capability=(7, 5))
A100 = Hardware("a server", cores=12, gpu="A100", gpu_count=1, compute_capability=(8, 0), cpu_bfloat16=True)
P100 = Hardware("a server", cores=2, gpu="P100", gpu_count=1, compute_capability=(6, 0))
RESNET18 = 555_422_720  # multiply-accumulates, one image, forward


@pytest.fixture
def on(monkeypatch):
    monkeypatch.delenv("CNNLIB_SCALE", raising=False)
    monkeypatch.delenv("CI", raising=False)

    def on(machine, **env):
        monkeypatch.setattr(budget.hardware, "detect", lambda: machine)
        for name, value in env.items():
            monkeypatch.setenv(name, value)

    return on


def test_scale_of_the_first_cnn(on, capsys):
    for machine in (LAPTOP, Hardware("old", cores=2), T4):
        on(machine)
        chosen = training.scale(models.baseline())
        assert (chosen.images, chosen.epochs, chosen.batch_size) == (45_000, 5, 32)
        assert training.scale() == chosen
    assert chosen.name == "gpu"
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 6 and "45,000 images x 5 epochs" in out[0] and "Tesla T4" in out[-1]


def test_scale_of_the_environment(on):
    on(LAPTOP)
    assert training.scale().name == "laptop"
    on(LAPTOP, CI="true")
    assert training.scale().name == "ci"
    on(T4, CNNLIB_SCALE="laptop")
    assert training.scale().name == "laptop"
    on(LAPTOP, CNNLIB_SCALE="full")
    assert training.scale(RESNET18) == training.Scale("full", 45_000, 5, 32)
    on(LAPTOP, CNNLIB_SCALE="fast")
    with pytest.raises(ValueError, match="CNNLIB_SCALE='fast' is not one of ci, laptop, gpu, full"):
        training.scale()


@pytest.mark.parametrize("place", ["ci", "laptop", "gpu"])
@pytest.mark.parametrize("machine", [LAPTOP, SERVER, T4], ids=lambda m: m.cpu + str(m.gpu))
def test_scale_falls_with_cost_and_never_to_nothing(on, place, machine):
    on(machine, CNNLIB_SCALE=place)
    seen = []
    for macs in (0, 10**5, 10**6, 10**7, 10**8, RESNET18, 10**10, 10**13):
        chosen = training.scale(macs)
        assert chosen.images >= 5 * chosen.batch_size and chosen.epochs in (2, 3, 5)
        assert chosen.images == budget.ALL_IMAGES or chosen.images % chosen.batch_size == 0
        seen.append(chosen.images * chosen.epochs)
    # A large net's bigger batches cost less a step, and have a larger least amount: only from there on.
    assert seen[:4] == sorted(seen[:4], reverse=True) and seen[4:] == sorted(seen[4:], reverse=True)


def test_scale_refuses_what_it_cannot_use(on):
    on(LAPTOP)
    for bad in ("baseline", True):
        with pytest.raises(TypeError, match=f"model={bad!r} is not a built Keras model or a number of MACs"):
            training.scale(bad)
    for bad in (-1, float("inf"), float("nan")):
        with pytest.raises(ValueError, match=f"model={bad} is not a finite number of MACs >= 0"):
            training.scale(bad)


def test_baseline_s_cost_is_what_summary_says():
    assert budget._macs(models.baseline()) == budget.BASELINE_MACS


@pytest.mark.parametrize(
    ("machine", "policy"),
    [
        (LAPTOP, "float32"),
        (SERVER, "mixed_bfloat16"),
        (T4, "mixed_float16"),
        (A100, "mixed_bfloat16"),
        (P100, "float32"),
    ],
    ids=lambda v: v if isinstance(v, str) else v.gpu or v.cpu,
)
def test_precision(on, machine, policy):
    on(machine)
    assert training.precision(RESNET18) == policy
    assert training.precision(models.baseline()) == "float32"
    assert training.precision(training.LARGE - 1) == "float32"


def test_build_is_seeded_and_puts_the_policy_back(on, monkeypatch):
    on(SERVER)
    a, b = training.build(models.baseline, seed=3), training.build(models.baseline, seed=3)
    assert a.dtype_policy.name == "float32"
    for v, w in zip(a.variables, b.variables, strict=True):  # the dropout seeds too
        np.testing.assert_array_equal(v, w)
    monkeypatch.setattr(budget, "LARGE", 1)
    large = training.build(models.baseline, seed=3, classes=10)
    assert large.dtype_policy.name == "mixed_bfloat16" and keras.config.dtype_policy().name == "float32"
    assert large(np.zeros((1, 32, 32, 3))).dtype == "float32"  # logits stay whole
    np.testing.assert_array_equal(large.get_layer("conv1").kernel, a.get_layer("conv1").kernel)
    with pytest.raises(TypeError):
        training.build(models.baseline, depth=3)
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("machine", [SERVER, T4], ids=["mixed_bfloat16", "mixed_float16"])
def test_half_width_nets_train_and_resume(on, monkeypatch, machine, tmp_path):
    on(machine)
    monkeypatch.setattr(budget, "LARGE", 1)
    nets = [training.build(models.baseline, seed=0, input_shape=(8, 8, 3), classes=3) for _ in range(3)]
    quick(nets[0], epochs=1, run_dir=tmp_path)
    assert nets[0].dtype_policy.name == training.precision(nets[0])
    resumed, straight = quick(nets[1], epochs=2, run_dir=tmp_path), quick(nets[2], epochs=2)
    np.testing.assert_allclose(resumed.history["loss"], straight.history["loss"], atol=1e-2)


def test_nets_of_whole_bfloat16_resume(tmp_path):
    """NumPy's files do not know bfloat16."""
    arguments = {"policy": "bfloat16", "input_shape": (8, 8, 3), "classes": 3}
    nets = [training.build(models.baseline, seed=0, **arguments) for _ in range(3)]
    quick(nets[0], epochs=1, run_dir=tmp_path)
    assert nets[0].trainable_weights[0].dtype == "bfloat16"
    resumed, straight = quick(nets[1], epochs=2, run_dir=tmp_path), quick(nets[2], epochs=2)
    np.testing.assert_allclose(resumed.history["loss"], straight.history["loss"], atol=3e-2)


FAULTS = """
import resource, sys
import numpy as np
from cnnlib.training import memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.ones(16 << 20, "float32")  # 64 MB, freed at once
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

usual = faults()
kept = memory.keep_freed()
np.ones(16 << 20, "float32")
print(kept, usual, faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for its page faults")
def test_freed_memory_is_kept_for_the_next_step():
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    kept, usual, after = done.stdout.split()
    if kept == "True":  # glibc
        assert int(usual) > 20 and int(after) < int(usual) / 10
    else:
        assert platform.libc_ver()[0] != "glibc"


def test_hardware_of_this_machine(tmp_path):
    machine = detect()
    assert 1 <= machine.cores <= (os.cpu_count() or 1)
    assert machine.cpu
    info = tmp_path / "cpuinfo"
    info.write_text(
        textwrap.dedent("""\
        processor\t: 0
        model name\t: A CPU @ 2 GHz
        flags\t\t: fpu avx512_bf16 amx_bf16

        processor\t: 1
        flags\t\t: nothing
        """)
    )
    assert _cpu(info) == ("A CPU @ 2 GHz", {"fpu", "avx512_bf16", "amx_bf16"})


@pytest.mark.parametrize(
    "flags, bfloat16, amx", [((), False, False), (("avx512_bf16",), True, False), (("amx_bf16",), True, True)]
)
def test_what_the_flags_of_a_processor_say(flags, bfloat16, amx, monkeypatch):
    monkeypatch.setattr(budget.hardware, "_cpu", lambda: ("A CPU", {"fpu", *flags}))
    machine = detect()
    assert (machine.cpu_bfloat16, machine.cpu_amx) == (bfloat16, amx)


def test_a_containers_share_of_the_cpus_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(8), raising=False)
    assert _cores(tmp_path) == 8  # no cgroups, as on macOS
    old = tmp_path / "cpu"
    old.mkdir()
    (old / "cpu.cfs_period_us").write_text("100000\n")
    for quota, cores in ("-1", 8), ("200000", 2), ("150000", 2), ("50000", 1):
        (old / "cpu.cfs_quota_us").write_text(quota + "\n")
        assert _cores(tmp_path) == cores
    for share, cores in ("max 100000", 8), ("300000 100000", 3), ("250000 100000", 3), ("1600000 100000", 8):
        (tmp_path / "cpu.max").write_text(share + "\n")
        assert _cores(tmp_path) == cores


# --- augmentation and schedule ---------------------------------------------------------------------------


def test_an_augmented_image_is_a_moved_or_mirrored_one():
    x = np.arange(6 * 12 * 10 * 3, dtype=np.int32).reshape(6, 12, 10, 3) + 1
    y = np.arange(6)[:, None]
    padded = np.pad(x, [(0, 0), (4, 4), (4, 4), (0, 0)])
    seen, epochs = set(), iter(range(40))
    batches = loop._batches(x, y, 4, 3, lambda: next(epochs), True)
    for images, labels in (batch for _ in range(40) for batch in batches):
        for image, label in zip(np.asarray(images), np.asarray(labels)[:, 0], strict=True):
            found = [
                (i, j, mirrored)
                for i in range(9)
                for j in range(9)
                for mirrored in (False, True)
                if np.array_equal(image, padded[label, i : i + 12, j : j + 10][:, :: -1 if mirrored else 1])
            ]
            assert len(found) == 1
            seen.add(found[0])
    assert {i for i, _, _ in seen} == {j for _, j, _ in seen} == set(range(9))
    assert {mirrored for _, _, mirrored in seen} == {False, True}


def test_augmentation_keeps_the_order_and_comes_back_after_a_stop():
    x, y = np.arange(30, dtype=np.int32)[:, None, None, None] * np.ones((1, 8, 8, 1), np.int32), np.arange(30)[:, None]

    def epoch(number, augment):
        images, labels = zip(*loop._batches(x, y, 7, 1, lambda: number, augment), strict=True)
        return np.concatenate(images), np.concatenate(labels)[:, 0]

    for number in range(2):
        np.testing.assert_array_equal(epoch(number, False)[1], epoch(number, True)[1])
    np.testing.assert_array_equal(epoch(1, True)[0], epoch(1, True)[0])
    assert not np.array_equal(epoch(0, True)[0], epoch(1, True)[0])


def test_an_augmented_run_says_so_in_its_record(tmp_path):
    run = quick(augment=True, run_dir=tmp_path / "run")
    assert run.record()["recipe"]["augment"] == {"shift": 4, "mirror": True}
    assert "augment" not in quick().record()["recipe"]
    assert metrics_of(run) != metrics_of(quick())
    with pytest.raises(ValueError, match="augment is"):
        quick(run_dir=tmp_path / "run")
    with pytest.raises(TypeError, match="augment=1 is not True or False"):
        quick(augment=1)


def test_warm_up_and_decay():
    rate = training.warm_up_and_decay(epochs=3, images=1000, batch_size=128, peak=0.01)
    assert [round(float(rate(step)), 6) for step in (0, 4, 8, 16, 24, 99)] == [0, 0.005, 0.01, 0.005, 0, 0]
    with pytest.raises(ValueError, match="epochs=1 is not an integer >= 2"):
        training.warm_up_and_decay(1, 1000, 128)
    for peak, error in ((0, ValueError), (-0.001, ValueError), (np.nan, ValueError), ("fast", TypeError)):
        with pytest.raises(error, match="peak="):
            training.warm_up_and_decay(3, 1000, 128, peak=peak)
    quick(learning_rate=training.warm_up_and_decay(2, 100, 20))


# --- records --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished():
    run = quick(epochs=2)
    return run, run.record("toy")


def test_a_record_goes_to_disk_and_back(finished, tmp_path):
    run, kept = finished
    assert kept["params"] == run.model.count_params() and kept["trainable_params"] == kept["params"] - 8
    assert kept["history"] == run.history and kept["recipe"]["epochs"] == 2
    assert kept["versions"]["Keras"] == keras.__version__ and kept["versions"]["cnnlib"]
    assert kept["wall_seconds"] == pytest.approx(sum(run.history["seconds"]), abs=0.01)
    path = training.save_record(kept, tmp_path)
    assert path.name == "toy.json" and training.load_record("toy", tmp_path) == kept
    assert [p.name for p in tmp_path.iterdir()] == ["toy.json"]
    with pytest.raises(ValueError, match=r"name must be a recorded run \(toy\), got 'tow'"):
        training.load_record("tow", tmp_path)
    with pytest.raises(ValueError, match="letters, digits"):
        training.load_record("../toy", tmp_path)
    with pytest.raises(TypeError, match="name=3 is not a string"):
        training.load_record(3)


def changed(kept, path, value):
    copy = json.loads(json.dumps(kept))
    *folders, last = path.split(".")
    place = copy
    for folder in folders:
        place = place[folder]
    place[last] = value
    return copy


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("format", 1, "format=1 is not 2: record the run again"),
        ("seed", "0", "seed has the wrong type: '0'"),
        ("params", True, "params has the wrong type"),
        ("resumed", 0, "resumed has the wrong type"),
        ("surprise", 1, "missing or unknown: surprise"),
        ("recipe.epochs", 3, "history.* must be a list of 3 numbers"),
        ("recipe.images", None, "recipe.images has the wrong type"),
        ("recipe.colour", 1, "missing or unknown: recipe.colour"),
        ("history.loss", [1.0], "history.loss must be a list of 2 numbers"),
        (
            "history.loss",
            [1.0, float("nan")],
            "history.loss must hold finite numbers from 0 to inf, got nan in epoch 2",
        ),
        (
            "history.val_accuracy",
            [0.5, 57.2],
            "history.val_accuracy must hold finite numbers from 0 to 1, got 57.2 in epoch 2",
        ),
        ("history.lr", [1, 1], "history must hold"),
        ("best_epoch", 3, "best_epoch must lie in 1 to 2, got 3"),
        ("test", {"accuracy": 0.5}, "test must hold loss and accuracy"),
        ("test", {"accuracy": 50, "loss": 1}, "test.accuracy must hold finite numbers"),
    ],
)
def test_a_malformed_record_raises(finished, tmp_path, path, value, words):
    bad = changed(finished[1], path, value)
    with pytest.raises(ValueError, match=words):
        training.save_record(bad, tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "toy.json").write_text(json.dumps(bad))
    with pytest.raises(ValueError, match=f"record toy.json is malformed: .*{words}"):
        training.load_record("toy", tmp_path)


def test_half_a_record_raises(finished, tmp_path):
    path = training.save_record(finished[1], tmp_path)
    path.write_text(path.read_text()[:200])
    with pytest.raises(ValueError, match="toy.json is malformed"):
        training.load_record("toy", tmp_path)
    for field in finished[1]:
        with pytest.raises(ValueError, match=f"missing or unknown: {field}"):
            training.check_record({k: v for k, v in finished[1].items() if k != field})


def test_the_test_set_is_used_once():
    data = toy_data()
    run = quick(data=data, epochs=1)
    with pytest.raises(ValueError, match="dataset must be the one trained on, 'toy', got 'other'"):
        run.test(toy_data(name="other"))
    first = run.test(data)
    loss, accuracy = run.model.evaluate(*data.test, verbose=0)
    assert first == {"loss": pytest.approx(loss, rel=1e-5), "accuracy": pytest.approx(accuracy)}
    with pytest.raises(RuntimeError, match="the test set has been used"):
        run.test(data)
    assert run.record()["test"] == first


def test_parts_on_other_hardware_have_no_wall_time(monkeypatch, started):
    monkeypatch.setattr(budget.hardware, "detect", lambda: T4)
    kept = quick(epochs=2, run_dir=started).record()
    assert kept["wall_seconds"] is None and kept["hardware"]["gpu"] == "Tesla T4"
    monkeypatch.undo()
    kept = quick(epochs=2, run_dir=started).record()  # only read: what ran where has not changed
    assert kept["wall_seconds"] is None and kept["hardware"]["gpu"] == "Tesla T4"


def test_git_state_knows_commit_and_changes(tmp_path, monkeypatch):
    package = tmp_path / "cnnlib"
    (package / "training").mkdir(parents=True)
    (package / "results").mkdir()
    code = package / "training" / "record.py"
    code.write_text("x = 1\n")
    monkeypatch.setattr(record, "RESULTS", package / "results")

    def git(*arguments):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert record.git_state() is None  # no repository
    git("init", "-q")
    assert record.git_state() is None  # a repository that does not hold this code
    git("add", ".")
    git("commit", "-qm", "one")
    assert record.git_state() == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    (package / "results" / "toy.json").write_text("{}")
    assert not record.git_state()["dirty"]  # a record is no change of the code
    code.write_text("x = 2\n")
    assert record.git_state()["dirty"]


# --- the committed records against the code -------------------------------------------------------------


RECORDS = sorted(path.stem for path in record.RESULTS.glob("*.json"))


# Three seeds for the small nets, one for the large ones, these in both number formats by the better recipe; and the paper's
# four, for the degradation experiment.
WANTED = {
    record_tool.record_name(net, recipe_name, seed)
    for nets, seeds in ((("baseline", "lenet5", "inception10"), range(3)), (("alexnet8", "vgg16", "resnet18"), [0]))
    for net in nets
    for recipe_name in ("notes", "better")
    for seed in seeds
} | {f"{kind}{depth}-better" for kind in ("plain", "resnet") for depth in (20, 56)}
WANTED |= {"alexnet8-better-float32", "vgg16-better-mixed_bfloat16", "resnet18-better-mixed_bfloat16"}


def test_every_net_is_recorded_by_both_recipes():
    assert not WANTED - set(RECORDS)


def test_the_code_of_every_record_and_timing_is_in_the_history():
    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=record.RESULTS, capture_output=True, text=True)

    if not shutil.which("git") or git("rev-parse", "--is-shallow-repository").stdout.strip() != "false":
        pytest.skip("this copy came without its history")
    speed = json.loads(compare.SPEED.read_text())["nets"]
    states = [training.load_record(name)["git"] for name in RECORDS] + [net["git"] for net in speed]
    assert not any(state["dirty"] for state in states)
    commits = {state["commit"] for state in states}
    lost = {commit for commit in commits if git("merge-base", "--is-ancestor", commit, "HEAD").returncode}
    assert not lost or lost == commits  # all: a repository made of this one, as a template, begins anew


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_fits_the_code(name):
    kept = training.load_record(name)
    builder, changes = record_tool.NETS[kept["net"]]
    used = kept["recipe"]
    policy = used["precision"] if used["precision"] in name else None  # one that stands beside the net's own
    net = training.build(builder, policy=used["precision"], **changes)
    assert (kept["net"], kept["params"]) == (net.name, net.count_params())
    if kept["versions"]["Keras"] == keras.__version__:  # another Keras may know other settings
        assert used["layers"] == recipe.fingerprint(net)
    names = {
        recipe_name: record_tool.record_name(kept["net"], recipe_name, kept["seed"], policy)
        for recipe_name in record_tool.RECIPES
    }
    assert name == kept["name"] and name in names.values()
    wanted = next(record_tool.amounts(kept["net"], r) for r, n in names.items() if n == name)
    assert {key: used[key] for key in wanted} == wanted
    assert used["dataset"] in ("CIFAR-10", "CIFAR-10 (JPEG copy)")
    assert (used["images"], used["validation_images"]) == (wanted.get("images", 45_000), 5_000)
    better = name == names["better"]
    images = {"augment": {"shift": 4, "mirror": True}} if better else {}
    assert {key: used[key] for key in used if key == "augment"} == images
    assert used["optimizer"]["name"].lower() == "adam"
    rate = used["optimizer"]["learning_rate"]
    if better:
        steps = -(-45_000 // wanted["batch_size"])
        rate = rate["config"]
        assert (rate["warmup_steps"], rate["decay_steps"]) == (steps, steps * (wanted["epochs"] - 1))
        assert (rate["initial_learning_rate"], rate["warmup_target"]) == (0, 0.001)
    else:
        assert rate == 0.001
    assert len(kept["git"]["commit"]) == 40 and not kept["git"]["dirty"]
    accuracies = kept["history"]["val_accuracy"]
    assert kept["best_epoch"] == 1 + accuracies.index(max(accuracies))
    assert kept["test"] is not None


def test_all_seeds_of_a_record_are_read_together():
    kept = training.load_records("baseline")
    assert [r["name"] for r in kept] == ["baseline", "baseline-seed1", "baseline-seed2"]
    assert [r["name"] for r in training.load_records("baseline-without-b")][0] == "baseline-without-b"
    with pytest.raises(ValueError, match="must be a recorded run"):
        training.load_records("nothing")


def test_the_conditions_of_records_are_told_in_words():
    kept = training.load_records("lenet5")
    told = training.conditions(kept)
    assert told.splitlines()[0] == "lenet5"
    assert "CIFAR-10 (JPEG copy)" in told and "45,000 to train, 5,000 to validate" in told
    assert "5 epochs, batches of 32, Adam, rate 0.001" in told and "seeds     0, 1, 2" in told
    assert kept[0]["git"]["commit"][:12] in told and "2026-11-28" in told
    assert "resumed" not in told and "mirrored" not in told
    better = {**kept[0], "resumed": True, "git": None}
    schedule = {"class_name": "CosineDecay", "config": {"warmup_target": 0.001}}
    optimizer = {"name": "Adam", "learning_rate": schedule}
    better["recipe"] = {**kept[0]["recipe"], "augment": {"shift": 4, "mirror": True}, "optimizer": optimizer}
    told = training.conditions(better)
    assert "moved by up to 4 pixels, mirrored" in told and "rate up to 0.001, then down along a cosine" in told
    assert "resumed   seed 0" in told and "not known" in told
    with pytest.raises(ValueError, match="one net and recipe"):
        training.conditions([kept[0], *training.load_records("baseline")])
    with pytest.raises(ValueError, match="a record at least"):
        training.conditions([])


@pytest.mark.parametrize("name", record_tool.NETS)
def test_the_recorder_names_a_net_as_it_names_itself(name):
    builder, changes = record_tool.NETS[name]
    assert builder(**changes).name == name


def test_the_recorders_recipes():
    assert record_tool.amounts("vgg16", "notes") == {"epochs": 5, "batch_size": 32}
    assert record_tool.amounts("inception10-asleep", "notes") == {"epochs": 5, "batch_size": 1024}
    assert record_tool.amounts("lenet5-relu", "better") == {"epochs": 20, "batch_size": 32}
    assert record_tool.amounts("resnet18", "better") == {"epochs": 5, "batch_size": 64}
    assert record_tool.amounts("resnet56", "better") == {"epochs": 8, "batch_size": 128}
    assert set(record_tool.settings("resnet18", "notes", 100)) == {"epochs", "batch_size"}
    better = record_tool.settings("resnet18", "better", 45_000)
    assert better["augment"] and float(better["learning_rate"](704)) == pytest.approx(0.001)


def test_a_net_is_recorded_once_more_in_another_number_format(capsys):
    assert record_tool.record_name("vgg16", "better", 1, "float32") == "vgg16-better-float32-seed1"
    assert record_tool.parse(["vgg16", "--policy", "float32", "--beside"]).beside
    with pytest.raises(SystemExit):
        record_tool.parse(["vgg16", "--beside"])
    assert "--beside needs a --policy" in capsys.readouterr().err


def test_nets_to_be_compared_share_a_number_format(on):
    on(SERVER)  # where a large net would be built in bfloat16
    net = training.build(models.cifar_resnet, depth=8, policy="float32")
    assert net.dtype_policy.name == "float32"
    assert training.build(models.cifar_resnet, depth=8, policy="mixed_bfloat16").dtype_policy.name == "mixed_bfloat16"


def test_the_recorder_keeps_the_weights_of_nets_that_pages_hold(monkeypatch, tmp_path):
    monkeypatch.setattr(record_tool, "RESULTS", tmp_path)
    model = training.build(models.lenet5, seed=0)
    path = record_tool.save_weights(model, "lenet5-better")
    assert path == tmp_path / "weights" / "lenet5-better.json"
    assert json.loads(path.read_text()) == export_for_page(model)
    with pytest.raises(ValueError, match="bytes in a page"):
        record_tool.save_weights(training.build(models.alexnet8, seed=0), "alexnet8")
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    names = {record_tool.record_name(net, recipe, 0) for net in record_tool.NETS for recipe in record_tool.RECIPES}
    assert set(record_tool.IN_PAGES) <= names


def test_the_recorder_refuses_code_that_is_not_committed(monkeypatch, capsys):
    monkeypatch.setattr(record_tool, "git_state", lambda: {"commit": "0" * 40, "dirty": True})
    with pytest.raises(SystemExit, match="not committed"):
        record_tool.main(["baseline"])
    assert record_tool.record_name("baseline", "notes", 0) == "baseline"
    assert record_tool.record_name("baseline", "notes", 2) == "baseline-seed2"


@pytest.mark.parametrize(("seed", "name"), [(0, "baseline-asleep"), (1, "baseline-asleep-seed1")])
def test_the_recorder_knows_the_sleeping_net(monkeypatch, tmp_path, capsys, seed, name):
    rng = np.random.default_rng(0)

    def split(n):
        return Split(rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8), np.arange(n, dtype=np.uint8)[:, None] % 10)

    monkeypatch.setattr(record_tool.data, "load_cifar10", lambda: Dataset("toy", (), split(64), split(20), split(20)))
    monkeypatch.setattr(record_tool.training, "save_record", lambda kept: training.record.save_record(kept, tmp_path))
    record_tool.main(["baseline-asleep", "--seed", str(seed), "--dirty", "--run-dir", str(tmp_path / "run")])
    kept = training.load_record(name, tmp_path)
    assert (kept["name"], kept["net"], kept["seed"]) == (name, "baseline-asleep", seed)
    weights = checkpoint.load(tmp_path / "run" / "checkpoint.npz")[1]["best"]
    moving_mean = [w.path for w in models.baseline(asleep=True).weights].index("bn1/moving_mean")
    np.testing.assert_array_equal(weights[moving_mean], np.zeros(6))
