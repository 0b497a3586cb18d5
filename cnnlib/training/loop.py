"""Compile, train, keep the best weights, checkpoint and resume. Keras's own ``fit`` does the training.

The images reach it as a ``tf.data.Dataset`` of whole batches, and every number that matters (recipe, order, best
weights) is settled before or after Keras's loop, so a net that several devices share needs no other loop either.
"""

import contextlib
import inspect
import logging
import sys
import time
import warnings
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from cnnlib._arguments import boolean, integer
from cnnlib.summary import summarize
from cnnlib.training import check, memory, recipe
from cnnlib.training import distribute as sharing
from cnnlib.training.adam import Adam
from cnnlib.training.record import metric_names
from cnnlib.training.state import State

CHECKPOINT = "checkpoint.npz"
SHIFT = 4  # pixels by which augmentation moves an image at most

# Python, Keras and the bar take a millisecond or two between two steps. A net whose steps are short makes several of
# them in one call, at most so many, and no more than take this many multiply-accumulates (forward).
STEPS_A_CALL, MACS_A_CALL = 10, 2e9


def fit(
    model,
    dataset,
    *,
    epochs,
    batch_size,
    images=None,
    seed=0,
    learning_rate=None,
    augment=False,
    distribute=False,
    run_dir=None,
    callbacks=(),
    progress=True,
):
    """Train a net on ``dataset.train``, watch ``dataset.validation``, leave ``dataset.test`` alone.

    A net that was not compiled is compiled with Adam, cross-entropy and accuracy; whether it ends in logits
    or in probabilities is seen from its output. At the end the net holds the weights of the epoch with the
    best validation accuracy, not those of the last.

    With ``run_dir`` a checkpoint is written after each epoch. The same call then goes on where a run was
    broken off (even by ``kill -9``; at most the epoch under way is lost) and ends with the history of an
    undisturbed run. A finished run is only read; so is one that a callback (``EarlyStopping``) has stopped. A
    number of ``epochs`` larger than any before prolongs either.

    With ``distribute`` several GPUs train: each takes its part of every batch, and one step is made with the mean
    gradient. A net without batch normalisation and dropout then learns what it learns on one device, and may be
    resumed on another number of them. A net of ``training.build(..., distribute=True)`` lies on its devices already.
    Any other one is copied there (callbacks see the copy) and holds at the end what the copy has learned.

    With them it learns something else. Batch normalisation takes the mean and variance of each part by itself (of
    the whole batch, if its layers are ``synchronized``); the moving statistics become the mean of the devices'
    before each validation. Each device draws dropout masks of its own. The record of such a net holds the number
    of ``devices``, and a run goes on with that number alone. In a last batch that does not divide evenly the first
    images come again: without effect on the gradient, but they count in the statistics of their part and in the
    loss and accuracy that training reports.

    Args:
        model: a Keras model. ``training.build`` makes one with seeded weights.
        dataset: has ``name``, ``train`` and ``validation``; each split has ``x`` (N, height, width, channels)
            and ``y`` (N, 1) or (N,), integer class numbers.
        epochs: how many times the images are seen, 1 or more.
        batch_size: images a step, 1 or more; a multiple of the number of devices.
        images: at most this many training images, drawn by ``seed``; None takes all.
        seed: of the draw and of the order, which depends on the seed and the number of the epoch alone. It
            does not touch the net: its weights and dropout masks follow ``keras.utils.set_random_seed``,
            called before it is made (``training.build`` does).
        learning_rate: of the Adam that this function compiles with, a number above 0 or a Keras schedule; None
            is Keras's 0.001, or the rate of a net that is compiled already. ``training.warm_up_and_decay`` makes a schedule.
        augment: True shows each training image a little differently every time: moved by up to 4 pixels along both
            axes (zeros come in), mirrored left to right in half of the cases (He et al. 2016, section 4.2).
        distribute: True lets all GPUs of this machine share the training; where there are fewer than two, nothing is
            shared. A list of names, such as ["GPU:0", "GPU:2"], picks two or more devices.
        run_dir: folder of the checkpoint; None keeps none.
        callbacks: a list of more Keras callbacks; what they keep inside themselves is not in the checkpoint.
        progress: show a bar and print a line an epoch.

    Returns:
        Run.

    Raises:
        ValueError, TypeError: a bad argument; a net with too few outputs for the classes; a ``run_dir`` that holds a run with another recipe;
            for several devices also too few validation images to share, a net that Keras cannot copy or that was
            compiled outside its strategy's scope, a loss that is no mean, names of no devices or of others than the net's.
        CheckpointError: a checkpoint that cannot be read or written.
        KeyboardInterrupt: with a message that says what is kept.

    Warns:
        UserWarning: the net's ``call`` takes no ``training`` argument, though it holds batch normalisation or
            dropout: Keras 3 then leaves them switched off while it trains.

    """
    epochs = integer("epochs", epochs)
    batch_size = integer("batch_size", batch_size)
    images = None if images is None else integer("images", images)
    seed = integer("seed", seed, 0)
    boolean("augment", augment)
    check.arguments(model, dataset, learning_rate, augment, run_dir, callbacks)
    strategy = sharing.to_copy_for(model, distribute)
    sharing.check(model, strategy, batch_size, len(dataset.validation.x))
    _warn_if_training_is_ignored(model)
    memory.keep_freed()
    x, y = _subset(dataset.train, images, seed)
    devices = sharing.devices(model)
    with sharing.scope(model.distribute_strategy if devices > 1 else None):
        steps = 1 if any(map(_watches_batches, callbacks)) else _steps_a_call(model, batch_size)
        _compile(model, x, y, dataset.validation.y, learning_rate, steps)
    trained = model if strategy is None else sharing.copy(model, strategy)
    try:
        run = _train(trained, dataset, x, y, epochs, batch_size, seed, augment, run_dir, callbacks, progress)
    finally:
        if trained is not model:
            sharing.hand_over(trained, model)  # of a training that was broken off, too
    run.model = model
    return run


def _train(model, dataset, x, y, epochs, batch_size, seed, augment, run_dir, callbacks, progress):
    devices = sharing.devices(model)
    changes = {"shift": SHIFT, "mirror": True} if augment else None
    counted = devices if sharing.changes_what_is_trained(model) else None
    described = recipe.describe(model, dataset, x, y, batch_size, seed, changes, counted)
    rate = described["optimizer"].get("learning_rate")
    state = State(model, described, None if run_dir is None else Path(run_dir) / CHECKPOINT, epochs)
    recipe.remember_rate(model, rate)
    done = len(state.history["loss"])
    if progress and done and state.stopped:
        print(f"the run in {str(run_dir)!r} is finished: a callback stopped it after epoch {done}")
    elif progress and done:
        print(f"{done} of {epochs} epochs come from the checkpoint in {str(run_dir)!r}")
    if not state.finished(epochs):
        if progress and devices > 1:
            print(f"{devices} devices share each batch of {batch_size} images")
        sharing.draw_apart(model)
        validation_x, validation_y, validation_batch = sharing.to_evaluate(
            model, dataset.validation.x, dataset.validation.y, "dataset.validation"
        )
        bar = _bar(progress, done, epochs, len(x), batch_size)
        try:
            with _without_false_alarms():
                model.fit(
                    _batches(x, y, batch_size, seed, lambda: len(state.history["loss"]), augment, devices),
                    shuffle=False,  # the order is made above, the same one whenever this epoch is trained
                    initial_epoch=done,
                    epochs=epochs,
                    validation_data=(validation_x, validation_y),
                    validation_batch_size=validation_batch,
                    verbose=0,
                    callbacks=[*callbacks, _Watch(state, bar, epochs, progress)],
                )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(state.farewell(epochs)) from None
        finally:
            bar.close()
            recipe.remember_rate(model, rate)  # a callback may have changed it
    return state.finish(progress)


@contextlib.contextmanager
def _without_false_alarms():
    """Drop a warning of TensorFlow's: it counts what it compiles, and takes many nets, each compiled once, for one net compiled many times."""
    logger, calm = logging.getLogger("tensorflow"), lambda record: "tf.function retracing" not in record.getMessage()
    logger.addFilter(calm)
    try:
        yield
    finally:
        logger.removeFilter(calm)


_ACT_IN_TRAINING = (
    keras.layers.BatchNormalization,
    keras.layers.Dropout,
    keras.layers.AlphaDropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
)


def _warn_if_training_is_ignored(model):
    # Keras 3 calls the net with training=True only if its `call` names that argument; the layers inside then
    # take it over. It does so for the outermost call alone, and that is what is looked at here.
    if "training" in inspect.signature(model.call).parameters:
        return
    idle = sorted({type(layer).__name__ for layer in recipe.inner_layers(model) if isinstance(layer, _ACT_IN_TRAINING)})
    if idle:
        warnings.warn(
            f"{type(model).__name__}.call takes no `training` argument, so Keras 3 trains with "
            f"{' and '.join(idle)} switched off (moving_mean will stay 0). "
            "Write `def call(self, x, training=None)`.",
            UserWarning,
            stacklevel=3,
        )


def _subset(split, images, seed):
    """Return the training images and labels, in the split's order unless only some are wanted."""
    x, y = np.asarray(split.x), np.asarray(split.y)
    if images is None or images >= len(x):
        return x, y
    chosen = np.random.default_rng([seed, 0]).permutation(len(x))[:images]
    return x[chosen], y[chosen]


def _compile(model, x, y, validation_y, learning_rate, steps_a_call):
    # A few images go through the net: that builds a net which was written without an Input, and shows what it
    # puts out. A row of logits that happens to look like probabilities is possible, eight of them are not.
    sample = keras.ops.convert_to_numpy(model(x[:8])).astype("float32")
    check.outputs(model, sample.shape, y, validation_y)
    if model.compiled:
        own = recipe.optimizer_settings(model).get("learning_rate")
        if learning_rate is not None and recipe.settings(Adam(learning_rate))["learning_rate"] != own:
            raise ValueError(
                f"learning_rate must be None for a net that is compiled already, or its own, got {learning_rate!r}; "
                "set model.optimizer.learning_rate instead"
            )
        if steps_a_call == 1 != model.steps_per_execution and isinstance(recipe.inner_optimizer(model), Adam):
            model.steps_per_execution, model.train_function = 1, None  # compiled here, before there was such a callback
        sharing.check_compiled(model)
        few = np.arange(8 * sharing.devices(model)) % len(x)
        metric_names(model.evaluate(x[few], y[few], verbose=0, return_dict=True))  # raises without an accuracy
    else:
        probabilities = bool((sample >= 0).all() and np.allclose(sample.sum(axis=-1), 1, atol=1e-2))
        model.compile(
            Adam(1e-3 if learning_rate is None else learning_rate),
            keras.losses.SparseCategoricalCrossentropy(from_logits=not probabilities),
            metrics=["accuracy"],
            # On a GPU Keras would choose XLA, which may compile for as long as a training cell should take,
            # and once more for the last, smaller batch. On a CPU it is slower than without.
            jit_compile=False,
            steps_per_execution=steps_a_call,
        )
    if not model.optimizer.built:  # one that scales losses would get its own variables twice
        model.optimizer.build(model.trainable_variables)


def _watches_batches(callback):
    # Keras calls the two without "train" in their names from those with it.
    plain = keras.callbacks.Callback
    return any(
        getattr(getattr(callback, name), "__func__", None) is not getattr(plain, name)
        for name in ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    )


def _steps_a_call(model, batch_size):
    try:
        macs = summarize(model).macs
    except ValueError:  # a class whose inside nobody can follow
        return 1
    return int(min(max(1, MACS_A_CALL // (max(1, macs) * batch_size)), STEPS_A_CALL))


def _batches(x, y, batch_size, seed, epoch, augment=False, devices=1):
    """Return the batches of an epoch, which begins when Keras asks for them; ``epoch`` is called then and tells its number.

    For several devices a batch has a third part, the images' weights.
    """

    def plan():
        yield _plan(len(x), seed, epoch(), augment)

    with tf.device("CPU"):  # the images stay in main memory; batches travel
        x, y = tf.constant(x), tf.constant(y)

        def batch(plan):
            plan, *weights = (plan,) if devices == 1 else sharing.shares(plan, devices)
            images = tf.gather(x, plan[:, 0])
            return _moved(images, plan[:, 1:]) if augment else images, tf.gather(y, plan[:, 0]), *weights

        return (
            tf.data.Dataset.from_generator(plan, output_signature=tf.TensorSpec((len(x), 4 if augment else 1), "int32"))
            .flat_map(lambda plan: tf.data.Dataset.from_tensor_slices(plan).batch(batch_size))
            .apply(tf.data.experimental.assert_cardinality(-(-len(x) // batch_size)))
            .map(batch, num_parallel_calls=tf.data.AUTOTUNE)
            .prefetch(tf.data.AUTOTUNE)
        )


def _plan(images, seed, epoch, augment):
    """Return what an epoch sees, in order, a row each: the image's number, and, to ``augment``, how it is changed.

    That is (N, 1) or (N, 4) integers; the last three are the rows and columns to leave out, mirrored or not.
    """
    order = np.random.default_rng([seed, epoch + 1]).permutation(images)[:, None]
    if augment:
        rng = np.random.default_rng([seed, epoch + 1, 1])
        moves = rng.integers(0, 2 * SHIFT + 1, (images, 2)), rng.integers(0, 2, (images, 1))
        order = np.hstack([order, *moves])
    return order.astype("int32")


def _moved(images, moves):
    padded = tf.pad(images, [[0, 0], [SHIFT, SHIFT], [SHIFT, SHIFT], [0, 0]])
    rows, columns = tf.range(images.shape[1]), tf.range(images.shape[2])
    columns = tf.where(moves[:, 2:] == 1, columns[::-1], columns)
    moved = tf.gather(padded, moves[:, :1] + rows, axis=1, batch_dims=1)
    return tf.gather(moved, moves[:, 1:2] + columns, axis=2, batch_dims=1)


def _bar(progress, done, epochs, images, batch_size):
    steps = -(-images // batch_size)
    # A log file gets the line an epoch only; a terminal and a notebook get the bar, which wipes itself out.
    # The bar goes to stderr, which the book leaves off its pages; the lines an epoch are output and stay.
    live = sys.stderr.isatty() or _in_notebook()
    return tqdm(
        initial=done * steps,
        total=epochs * steps,
        unit="batch",
        file=sys.stderr,
        leave=False,
        mininterval=0.5,
        disable=not (progress and live),
    )


def _in_notebook():
    ipython = sys.modules.get("IPython")  # loaded, if this is a notebook
    return hasattr(ipython and ipython.get_ipython(), "kernel")


class _Watch(keras.callbacks.Callback):
    """Keras's view of a run: times it, moves the bar, and hands each epoch's numbers to the state."""

    def __init__(self, state, bar, epochs, progress):
        super().__init__()
        self.state, self.bar, self.epochs, self.progress = state, bar, epochs, progress

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()
        self.bar.set_description(f"epoch {epoch + 1}/{self.epochs}")
        self.steps_before = self.bar.n

    def on_train_batch_end(self, batch, logs=None):
        # The last call of an epoch may hold fewer steps than its number says.
        steps = min(batch + 1, self.params["steps"])
        self.bar.update(self.steps_before + steps - self.bar.n)

    def on_test_begin(self, logs=None):
        sharing.agree(self.model)

    def on_epoch_end(self, epoch, logs=None):
        names = metric_names(logs)
        metrics = {name: logs[key] for name, key in names.items()}
        metrics |= {f"val_{name}": logs[f"val_{key}"] for name, key in names.items()}
        metrics["seconds"] = round(time.perf_counter() - self.start, 3)
        # This callback comes last: the others have had their say.
        self.state.end_epoch(metrics, self.epochs, bool(self.model.stop_training))
        if self.progress:
            self.bar.write(
                "epoch {}/{}: loss {loss:.3f}, accuracy {accuracy:.3f}; validation loss {val_loss:.3f}, "
                "accuracy {val_accuracy:.3f}; {seconds:.1f} s".format(epoch + 1, self.epochs, **metrics),
                file=sys.stdout,
            )
