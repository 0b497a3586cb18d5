"""Sharing each batch among several devices, by TensorFlow's MirroredStrategy, and what Keras leaves open there.

Keras's own ``keras.distribution.DataParallel`` is no way on TensorFlow: it is accepted, and one device does it all.
"""

import contextlib

import keras
import numpy as np
import tensorflow as tf

from cnnlib.training.recipe import fingerprint, inner_layers, inner_optimizer

_NO_COPY = (
    "model, of class {}, cannot be copied to the devices of distribute, because Keras does not make it again from its settings "
    "(get_config) and those of its compile; make it there: training.build(a function that returns it, distribute=True)"
)
_MEAN = "sum_over_batch_size"
_BATCH = 256  # no gradients are kept, so more images fit than in training
# Apart, because Keras draws the seeds of layers at random below 10**9: replica r adds r of these to each.
_SEED_STEP = 1_000_000_007


def strategy(distribute):
    """Return the strategy that shares batches among devices, None where there is nothing to share among.

    Args:
        distribute: False; True for all GPUs that TensorFlow sees; or two or more names such as "GPU:0", "GPU:1".

    Raises:
        ValueError, TypeError: a name of no device here, or twice; names of both GPUs and CPUs; a single name.

    """
    if distribute is False:
        return None
    gpus = tf.config.list_logical_devices("GPU")
    if distribute is True:
        return tf.distribute.MirroredStrategy() if len(gpus) > 1 else None
    here = [device.name.removeprefix("/device:") for device in (*gpus, *tf.config.list_logical_devices("CPU"))]
    valid = f"True, False or a list of two or more of {', '.join(here)}"
    if not _are_names(distribute):
        raise TypeError(f"distribute={distribute!r} is not {valid}")
    different = set(distribute)
    one_kind = len({name.partition(":")[0] for name in distribute}) == 1
    if not different <= set(here) or len(different) != len(distribute) or len(different) < 2 or not one_kind:
        raise ValueError(f"distribute={distribute!r} is not {valid}, each once, all GPUs or all CPUs")
    # On GPUs TensorFlow's own choice (NCCL) is the fast one. Its way on CPUs mixes the sums of synchronized batch
    # normalisation up with those of the gradients, and wants one number of devices in all of a process.
    sums = tf.distribute.ReductionToOneDevice() if distribute[0].startswith("CPU") else None
    return tf.distribute.MirroredStrategy(list(distribute), cross_device_ops=sums)


def _are_names(distribute):
    return isinstance(distribute, (list, tuple)) and all(isinstance(name, str) for name in distribute)


def to_copy_for(model, distribute):
    """Return the strategy for whose devices a net must be copied; None where it stays as and where it is.

    Raises:
        ValueError, TypeError: as ``strategy``; a net that lies on other devices already.

    """
    if distribute is False or devices(model) == 1:
        return strategy(distribute)
    own = sorted(name.partition("device:")[2] for name in model.distribute_strategy.extended.worker_devices)
    names = _are_names(distribute)
    if distribute is not True and not (names and sorted(distribute) == own):
        error = ValueError if names else TypeError
        raise error(f"distribute={distribute!r} is not True, False or {own}, the devices that the model was made for")
    return None


def scope(strategy):
    """Return the context in which a net for this strategy, or for none, is made."""
    return contextlib.nullcontext() if strategy is None else strategy.scope()


def copy(model, strategy):
    """Return a net that is made and compiled like this one, with its numbers, on the devices of a strategy.

    Raises:
        ValueError: Keras cannot make the net again from its settings, as with most classes of one's own; the net is
            compiled with a loss that is no mean.

    """
    try:
        with strategy.scope():
            made = keras.models.clone_model(model)
            made.dtype_policy = model.dtype_policy  # decides whether losses are scaled
            made.compile_from_config(model.get_compile_config())
        alike = fingerprint(made) == fingerprint(model)
    except Exception as error:  # whatever a class of one's own raises when Keras asks it for its settings
        raise ValueError(_NO_COPY.format(type(model).__name__)) from error
    if not alike:
        raise ValueError(_NO_COPY.format(type(model).__name__))
    made.steps_per_execution = model.steps_per_execution  # may have been set since it was compiled
    check_compiled(made)
    hand_over(model, made)
    return made


def hand_over(source, target):
    """Give a net all that another, made and compiled alike, has: weights, random states, the optimizer's moments."""
    given, taken = ((*net.variables, *net.optimizer.variables) for net in (source, target))
    for own, other in zip(given, taken, strict=True):
        other.assign(np.array(own))
    if hasattr(inner_optimizer(source), "rates"):  # of a resumed training: see ``recipe.remember_rate``
        inner_optimizer(target).rates = inner_optimizer(source).rates


def devices(model):
    """Return how many devices share each batch of this net: 1, unless it was made in the scope of a strategy."""
    return model.distribute_strategy.num_replicas_in_sync


def changes_what_is_trained(model):
    """Say whether this net trains otherwise on several devices than on one.

    It does if it keeps anything beside its weights: moving statistics (each device normalises its own part of a
    batch) or states of random numbers (each device draws its own). Batch normalisation that is ``synchronized``
    does not count.
    """
    together = {
        id(variable)
        for layer in inner_layers(model)
        if isinstance(layer, keras.layers.BatchNormalization) and layer.synchronized
        for variable in layer.variables
    }
    return devices(model) > 1 and any(id(variable) not in together for variable in model.non_trainable_variables)


def shares(plan, parts):
    """Return a batch's plan, filled up so that all devices get equally many images, and a weight an image.

    Keras takes the mean loss of each device's part, and the mean of those. To make that the mean over the batch,
    images that only fill up (the batch's first ones again) weigh 0, and all others a little more than 1.

    Args:
        plan: (n, columns) tensor, a row an image.
        parts: how many devices there are.

    Returns:
        (m, columns) and (m,) tensors, with m the least multiple of ``parts`` that is n or more.

    """
    n = tf.shape(plan)[0]
    rows = tf.range(-(-n // parts) * parts)
    weights = tf.where(rows < n, tf.cast(len(rows) / n, "float32"), 0.0)
    return tf.gather(plan, rows % n), weights


def check(model, strategy, batch_size, validation_images):
    """Raise ValueError unless a net was made for its devices, and they can share training batches and validation images.

    Args:
        model: the net, which lies on the devices, or which will be copied to them.
        strategy: whose devices it will be copied to; None: it stays where it lies.
        batch_size: images a step.
        validation_images: how many there are.

    """
    parts = devices(model) if strategy is None else strategy.num_replicas_in_sync
    if devices(model) > 1 and not all(isinstance(w.value, tf.distribute.DistributedValues) for w in model.weights):
        raise ValueError("model was made outside its strategy's scope; make it by training.build(..., distribute=True)")
    if batch_size % parts:
        raise ValueError(f"batch_size={batch_size} is not a multiple of {parts}, the devices that share each batch")
    _sizes(validation_images, parts, "dataset.validation")


def check_compiled(model):
    """Raise ValueError if a net that its caller has compiled cannot be trained by its devices."""
    if devices(model) == 1:
        return
    if not isinstance(model.optimizer.iterations.value, tf.distribute.DistributedValues):
        raise ValueError(
            "model was compiled outside its strategy's scope; compile it in `with model.distribute_strategy.scope():`"
        )
    reduction = getattr(keras.losses.get(model.loss), "reduction", _MEAN)
    if reduction != _MEAN:
        raise ValueError(f"model was compiled with a loss of reduction={reduction!r}; several devices need {_MEAN!r}")


def to_evaluate(model, x, y, name):
    """Return x, y and batch_size for Keras's ``evaluate``: each image once, on any number of devices.

    Raises:
        ValueError: several devices cannot share so few images; the message calls them ``name``.

    """
    parts = devices(model)
    if parts == 1:
        return x, y, _BATCH
    ends = np.cumsum([0, *_sizes(len(x), parts, name)])
    with tf.device("CPU"):
        x, y = tf.constant(np.asarray(x)), tf.constant(np.asarray(y))
        ends = tf.data.Dataset.from_tensor_slices((ends[:-1], ends[1:]))
        return ends.map(lambda start, stop: (x[start:stop], y[start:stop])).prefetch(2), None, None


def _sizes(images, parts, name):
    """Return sizes of batches that each give every one of ``parts`` devices an image at least.

    TensorFlow gives the first devices ceil(n / parts) images of a batch of n, and may leave none for the last; Keras
    wants equal parts in the first batch. So whole multiples come first, and what is left over comes in a larger batch.
    """
    most = max(_BATCH // parts, 1) * parts
    left = images % parts
    last = parts * parts + left if left else 0
    first = images - last
    if first < parts:
        least = parts * (parts + 2)
        raise ValueError(f"{name} has {images} images; {parts} devices share a multiple of {parts}, or {least} or more")
    return [most] * (first // most) + [size for size in (first % most, last) if size]


def draw_apart(model):
    """Give each device random numbers of its own; as Keras makes them, all would drop the same places."""
    if devices(model) == 1:
        return
    for variable in model.non_trainable_variables:
        if variable.path.endswith("seed_generator_state"):
            copies = model.distribute_strategy.experimental_local_results(variable.value)
            first = copies[0].numpy()
            for replica, copy in enumerate(copies):
                copy.assign(first + np.array([replica * _SEED_STEP, 0], first.dtype))


def agree(model):
    """Give all devices the mean of their moving statistics, which Keras lets go apart."""
    if devices(model) == 1:
        return
    for variable in model.non_trainable_variables:
        copies = model.distribute_strategy.experimental_local_results(variable.value)
        if copies[0].dtype.is_floating:
            variable.assign(np.mean([copy.numpy() for copy in copies], axis=0))
