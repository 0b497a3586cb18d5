"""Training on several devices against training on one.

The devices are virtual CPUs, in a process of their own, because TensorFlow fixes its devices when it starts.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
TWO, THREE = ["CPU:0", "CPU:1"], ["CPU:0", "CPU:1", "CPU:2"]


# --- what the process of its own does -------------------------------------------------------------------


def net(normalisation=False, synchronized=False, dropout=0.0):
    """A small net; plain, it computes each image's numbers from that image alone."""
    import keras

    layers = [
        keras.Input((8, 8, 3)),
        keras.layers.Rescaling(1 / 255),
        keras.layers.Conv2D(4, 3, activation="tanh"),
        *([keras.layers.BatchNormalization(momentum=0.5, synchronized=synchronized)] if normalisation else []),
        *([keras.layers.Dropout(dropout)] if dropout else []),
        keras.layers.Flatten(),
        keras.layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.01)),
    ]
    return keras.Sequential(layers, name="toy")


def branches():
    """A functional net of two branches."""
    import keras

    inputs = keras.Input((8, 8, 3))
    maps = [keras.layers.Conv2D(8, size, padding="same", activation="tanh")(inputs) for size in (1, 3)]
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Concatenate()(maps))
    return keras.Model(inputs, keras.layers.Dense(3)(x))


def asleep():
    """A functional net of the course whose batch normalisation and dropout are switched off inside it."""
    from cnnlib import models

    return models.baseline(input_shape=(8, 8, 3), classes=3, asleep=True)


def lenet5():
    """A net of the course as it is, batch normalisation being the only thing that would tell devices apart."""
    from cnnlib import models

    return models.lenet5(classes=3, activation="relu")


def flat(model):
    return [float(v) for w in model.get_weights() for v in w.ravel()]


def shared_by():
    """A callback, and the list in which it notes on how many devices each training runs."""
    import keras

    from cnnlib.training import distribute

    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            seen.append(distribute.devices(self.model))

    return Look(), seen


def run(devices=False, images=96, batch_size=24, policy="float32", epochs=4, by_fit=False, **arguments):
    """Train `net` on this many toy images; (the net, the run, all that a test may compare).

    The devices are told to `build`, or to `fit`, which then copies an ordinary net to them.
    """
    from test_training import toy_data

    from cnnlib import training
    from cnnlib.training import distribute

    kept = {name: arguments.pop(name) for name in ("run_dir", "augment") if name in arguments}
    look, where = shared_by()
    kept |= {
        "batch_size": batch_size,
        "learning_rate": 0.01,
        "progress": False,
        "distribute": devices if by_fit else False,
        "callbacks": [look, *arguments.pop("callbacks", [])],
    }
    model = training.build(net, distribute=False if by_fit else devices, policy=policy, **arguments)
    first = flat(model)
    try:
        done = training.fit(model, toy_data(images), epochs=epochs, **kept)
    finally:  # what the devices have learned is in the net, of a training that was broken off too
        assert bool(where) == (flat(model) != first)
    assert where == [len(devices) if devices else 1]
    assert done.model is model and distribute.devices(model) == (1 if by_fit or not devices else len(devices))
    numbers = {name: values for name, values in done.history.items() if name != "seconds"}
    numbers["best_epoch"] = done.best_epoch
    numbers["weights"] = flat(model)
    numbers["devices"] = done.recipe.get("devices")
    numbers["resumed"] = done.resumed
    numbers["test"] = done.test(toy_data(images))
    return model, done, numbers


def copies(model):
    """What each device holds of the variables that are not trained."""
    local = model.distribute_strategy.experimental_local_results
    return [[copy.numpy().tolist() for copy in local(v.value)] for v in model.non_trainable_variables]


def message(action):
    try:
        action()
    except (ValueError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing was raised"


class Stop(Exception):
    pass


def broken_off(run_dir, devices, **arguments):
    """The same run as an undisturbed one of 4 epochs, stopped by force in its third."""
    from test_training import At

    def stop():
        raise Stop

    with contextlib.suppress(Stop):
        run(devices, run_dir=run_dir, callbacks=[At(2, 1, stop)], **arguments)


PLAIN = ((96, 24), (43, 42))  # images, batch_size; the second leaves a last batch of one image


def scenarios(folder):
    """All that the tests look at, one by one: (name, numbers)."""
    import keras
    import tensorflow as tf
    from test_training import toy_data

    from cnnlib import training
    from cnnlib.training import distribute

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 3)
    tf.config.experimental.enable_op_determinism()

    for images, batch_size in PLAIN:
        for name, devices in (("one", False), ("two", TWO), ("three", THREE)):
            yield f"plain {images}/{batch_size} {name}", run(devices, images, batch_size, by_fit=devices == THREE)[2]
    for name, devices in (("one", False), ("two", TWO)):
        yield f"augmented {name}", run(devices, augment=True)[2]
        yield f"synchronized {name}", run(devices, normalisation=True, synchronized=True)[2]
        yield f"half {name}", run(devices, policy="mixed_float16", by_fit=True)[2]
    yield "half two, built there", run(TWO, policy="mixed_float16")[2]

    # One step on one batch: the statistics can be computed from the pictures and the first weights.
    first = training.build(net, policy="float32", normalisation=True)
    model, done, _ = run(TWO, images=24, epochs=1, normalisation=True)
    order = np.random.default_rng([0, 1]).permutation(24)
    convolved = keras.Sequential(first.layers[:2])(toy_data(24).train.x[order]).numpy()
    yield (
        "statistics",
        {
            "parts": [
                [p.mean((0, 1, 2)).tolist(), p.var((0, 1, 2)).tolist()] for p in (convolved[:12], convolved[12:])
            ],
            "whole": convolved.var((0, 1, 2)).tolist(),
            "kept": copies(model),
        },
    )

    model, done, _ = run(TWO, epochs=1, normalisation=True, dropout=0.5)
    drop = model.layers[3]
    masks = model.distribute_strategy.run(lambda: drop(tf.ones((50, 6, 6, 4)), training=True))
    masks = [m.numpy() == 0 for m in model.distribute_strategy.experimental_local_results(masks)]
    yield "masks", [float(np.mean(masks[0])), float(np.mean(masks[0] != masks[1]))]
    record = done.record("toy")
    yield "record", {"devices": record["recipe"]["devices"], "told": training.conditions(record)}
    again = copies(model)
    distribute.draw_apart(model)
    distribute.agree(model)
    yield "twice", [again, copies(model)]

    broken_off(folder / "one", False)
    yield "resumed: plain, one then three", run(THREE, run_dir=folder / "one", by_fit=True)[2]
    broken_off(folder / "plain", TWO)
    yield "resumed: plain, two then one", run(run_dir=folder / "plain")[2]
    noisy = {"normalisation": True, "dropout": 0.3, "augment": True}
    yield "undisturbed: noisy", run(TWO, **noisy)[2]
    noisy["run_dir"] = folder / "noisy"
    broken_off(devices=TWO, by_fit=True, **noisy)
    yield "resumed: noisy", run(TWO, **noisy)[2]

    def fit(model=None, data=None, batch_size=24, distribute=False, callbacks=()):
        model = model or training.build(net, distribute=TWO)
        more = {"batch_size": batch_size, "distribute": distribute, "callbacks": callbacks}
        return training.fit(model, data or toy_data(), epochs=1, progress=False, **more)

    # What Adam remembers comes back with the copy, so that a second call goes on.
    for kind in (net, branches, asleep, lenet5):
        for name, devices in (("one", False), ("two", TWO)):
            ordinary, (look, where) = training.build(kind, policy="float32"), shared_by()
            for _ in range(2):
                pictures = toy_data(side=ordinary.input_shape[1])
                done = fit(ordinary, pictures, distribute=devices, callbacks=[look])
            yield f"again {kind.__name__} {name}", [done.history["loss"], flat(ordinary), where]

    def compiled(inside, reduction="sum_over_batch_size", devices=TWO):
        model = training.build(net, distribute=devices)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction=reduction)
        with model.distribute_strategy.scope() if inside and devices else contextlib.nullcontext():
            model.compile("adam", loss, metrics=["accuracy"])
        return model

    class Own(keras.Model):
        def __init__(self, width):
            super().__init__()
            self.middle = keras.layers.Dense(width)

        def call(self, x):
            return self.middle(keras.ops.reshape(x, (-1, 192)))

    def made_outside():
        model = training.build(net)
        with distribute.strategy(TWO).scope():
            fit(model)

    few = toy_data()
    few = type(few)("few", few.class_names, few.train, type(few.train)(few.validation.x[:5], few.validation.y[:5]), ())
    yield (
        "refused",
        {
            "another number": message(lambda: run(False, **noisy)),
            "another three": message(lambda: run(THREE, **noisy)),
            "number": message(lambda: training.build(net, distribute=2)),
            "string": message(lambda: training.build(net, distribute="CPU:0")),
            "not here": message(lambda: training.build(net, distribute=["CPU:0", "GPU:0"])),
            "twice": message(lambda: training.build(net, distribute=["CPU:0", "CPU:0"])),
            "one": message(lambda: training.build(net, distribute=["CPU:0"])),
            "batch": message(lambda: fit(batch_size=25)),
            "validation": message(lambda: fit(data=few)),
            "outside": message(lambda: fit(compiled(False))),
            "sum": message(lambda: fit(compiled(True, "sum"))),
            "inside": message(lambda: fit(compiled(True))),
            "made outside": message(made_outside),
            "sum, copied": message(lambda: fit(compiled(True, "sum", devices=False), distribute=TWO)),
            "a class": message(lambda: fit(Own(3), distribute=TWO)),
            "others": message(lambda: fit(distribute=THREE)),
            "its own": message(lambda: fit(distribute=TWO[::-1])),
            "its own number": message(lambda: fit(distribute=2)),
            "fit's number": message(lambda: fit(training.build(net), distribute=2)),
        },
    )
    all_gpus = training.build(net, distribute=True)
    plain = fit(training.build(net), distribute=True)
    yield "no GPU", [distribute.devices(all_gpus), fit(all_gpus).recipe.get("devices"), plain.recipe.get("devices")]
    yield (
        "evaluated",
        [
            [b.shape[0] for b, _ in distribute.to_evaluate(model, np.zeros((n, 2)), np.zeros(n), "x")[0]]
            for n in (4, 9, 256, 257, 300, 1031)
        ],
    )

    # Keras's own way, which this course would otherwise take: one device trains, the others wait.
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=["cpu:0", "cpu:1"]))
    where = []
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.train_step = (lambda step: lambda data: where.append([data[0].shape[0], data[0].device]) or step(data))(
        model.train_step
    )
    model.run_eagerly = True
    model.fit(*toy_data(24).train, batch_size=24, verbose=0)
    yield "DataParallel", where


# --- what it shows --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """The numbers of all `scenarios`, by name."""
    done = subprocess.run(
        [sys.executable, __file__, str(tmp_path_factory.mktemp("runs"))],
        capture_output=True,
        text=True,
        timeout=1800,  # a slow machine needs its time to load TensorFlow
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr
    return dict(map(json.loads, done.stdout.splitlines()))


def assert_same(a, b, tolerance, but=()):
    assert a["best_epoch"] == b["best_epoch"]
    assert len(a["weights"]) == len(b["weights"]) > 500
    for name in {"loss", "accuracy", "val_loss", "val_accuracy", "weights"} - set(but):
        np.testing.assert_allclose(a[name], b[name], rtol=0, atol=tolerance, err_msg=name)
    for name, value in a["test"].items():
        assert value == pytest.approx(b["test"][name], abs=tolerance), name


@pytest.mark.parametrize("devices", ["two", "three"])
@pytest.mark.parametrize(("images", "batch_size"), PLAIN)
def test_a_plain_net_learns_what_it_learns_on_one_device(seen, images, batch_size, devices):
    shared, alone = (seen[f"plain {images}/{batch_size} {name}"] for name in (devices, "one"))
    assert len(alone["loss"]) == 4 and alone["loss"][3] < alone["loss"][0] - 0.02  # it does learn
    uneven = (
        images == 43
    )  # its last batch holds its image twice: that counts in what training reports, not in what it does
    assert_same(shared, alone, 2e-5, but=("loss", "accuracy") if uneven else ())
    # Three times instead of once among 45 is 0.043 of what this image's loss and the mean differ by.
    np.testing.assert_allclose(shared["loss"], alone["loss"], atol=0.07)
    assert shared["devices"] is None


@pytest.mark.parametrize("kind, tolerance", [("augmented", 2e-5), ("synchronized", 5e-3)])
def test_augmentation_and_synchronized_statistics_are_those_of_one_device(seen, kind, tolerance):
    assert_same(seen[f"{kind} two"], seen[f"{kind} one"], tolerance)
    assert seen[f"{kind} two"]["devices"] is None
    assert seen["augmented one"]["loss"] != seen["plain 96/24 one"]["loss"]


def test_a_net_whose_loss_is_scaled_is_shared_too(seen):
    for two in "half two", "half two, built there":
        for name in ("loss", "val_loss"):
            np.testing.assert_allclose(seen[two][name], seen["half one"][name], atol=0.02)


def test_each_device_normalises_its_own_part_of_a_batch(seen):
    (mean_a, var_a), (mean_b, var_b) = np.array(seen["statistics"]["parts"])
    mean, variance = seen["statistics"]["kept"]
    for copy in mean:  # momentum 0.5: half of the start, 0 and 1, is left after a step
        np.testing.assert_allclose(copy, (mean_a + mean_b) / 2 / 2, atol=1e-5)
    for copy in variance:
        np.testing.assert_allclose(copy, (var_a + var_b) / 2 / 2 + 0.5, atol=1e-5)
    assert np.abs(np.array(seen["statistics"]["whole"]) - (var_a + var_b) / 2).max() > 2e-5  # not the whole batch's


def test_each_device_drops_other_places(seen):
    dropped, different = seen["masks"]
    assert dropped == pytest.approx(0.5, abs=0.02)
    assert different == pytest.approx(0.5, abs=0.02)  # 0 with the same masks
    before, after = seen["twice"]
    assert before == after  # a second run with the same net changes nothing by itself


@pytest.mark.parametrize("name", ["noisy", "plain, one then three", "plain, two then one"])
def test_a_run_goes_on_on_several_devices(seen, name):
    resumed = seen[f"resumed: {name}"]
    undisturbed = seen["undisturbed: noisy" if name == "noisy" else "plain 96/24 one"]
    assert resumed["resumed"] and not undisturbed["resumed"]
    assert_same(resumed, undisturbed, 1e-4)
    assert resumed["devices"] == (2 if name == "noisy" else None)


def test_the_record_names_the_devices_where_they_matter(seen):
    assert seen["record"]["devices"] == 2
    assert "2 devices share each batch" in seen["record"]["told"]


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (
            "another number",
            "ValueError: run_dir '.*' holds a run with another recipe: devices is 2 there and None here",
        ),
        ("another three", "ValueError: .* devices is 2 there and 3 here"),
        ("number", "TypeError: distribute=2 is not True, False or a list of two or more of CPU:0, CPU:1, CPU:2"),
        ("string", "TypeError: distribute='CPU:0' is not True, False or a list"),
        ("not here", r"ValueError: distribute=\['CPU:0', 'GPU:0'\] is not .* two or more of CPU:0, CPU:1, CPU:2"),
        ("twice", r"ValueError: distribute=\['CPU:0', 'CPU:0'\] is not .* each once"),
        ("one", r"ValueError: distribute=\['CPU:0'\] is not .* two or more"),
        ("batch", "ValueError: batch_size=25 is not a multiple of 2, the devices that share each batch"),
        ("validation", "ValueError: dataset.validation has 5 images; 2 devices share a multiple of 2, or 8 or more"),
        ("outside", "ValueError: model was compiled outside its strategy's scope; compile it in `with model.distri"),
        ("sum", "ValueError: model was compiled with a loss of reduction='sum'; several devices need 'sum_over_batch"),
        ("inside", "nothing was raised"),
        ("made outside", "ValueError: model was made outside its strategy's scope; make it by training.build"),
        (
            "a class",
            r"ValueError: model, of class Own, cannot be copied to the devices of distribute, .*: training.build\(a function that ",
        ),
        (
            "others",
            r"ValueError: distribute=\['CPU:0', 'CPU:1', 'CPU:2'\] is not True, False or \['CPU:0', 'CPU:1'\], the devices",
        ),
        ("its own", "nothing was raised"),
        ("its own number", r"TypeError: distribute=2 is not True, False or \['CPU:0', 'CPU:1'\], the devices"),
        (
            "sum, copied",
            "ValueError: model was compiled with a loss of reduction='sum'; several devices need 'sum_over",
        ),
        ("fit's number", "TypeError: distribute=2 is not True, False or a list of two or more of CPU:0, CPU:1, CPU:2"),
    ],
)
def test_what_several_devices_refuse(seen, case, words):
    import re

    assert re.match(words, seen["refused"][case]), seen["refused"][case]


@pytest.mark.parametrize("kind", ["net", "branches", "asleep", "lenet5"])
def test_a_second_call_goes_on_where_the_first_one_ended(seen, kind):
    (loss, weights, where), (alone, theirs, there) = seen[f"again {kind} two"], seen[f"again {kind} one"]
    assert (where, there) == ([2, 2], [1, 1])
    np.testing.assert_allclose(loss, alone, atol=2e-5)
    np.testing.assert_allclose(weights, theirs, atol=2e-5)


def test_without_two_gpus_nothing_is_shared(seen):
    assert seen["no GPU"] == [1, None, None]


def test_every_image_is_evaluated_once_and_no_device_is_left_without(seen):
    assert seen["evaluated"] == [[4], [4, 5], [256], [252, 5], [256, 44], [256, 256, 256, 256, 2, 5]]


def test_keras_data_parallel_leaves_all_to_one_device(seen):
    """Why it is not used here: on TensorFlow it is accepted and does nothing. Should that change, look again."""
    assert [images for images, _ in seen["DataParallel"]] == [24]


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tools")]
    for found in scenarios(Path(sys.argv[1])):
        print(json.dumps(found), flush=True)
