"""The gradient of filters as matrix products, against TensorFlow's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from cnnlib import models, training
from cnnlib.training import budget
from cnnlib.training.filter_gradient import MANY, as_products, filter_gradient
from cnnlib.training.hardware import Hardware
from cnnlib.training.recipe import fingerprint

AVX512 = Hardware("a server", cores=2, cpu_bfloat16=True)
AMX = Hardware("a server", cores=2, cpu_bfloat16=True, cpu_amx=True)
A100 = Hardware("a server", cores=12, gpu="A100", gpu_count=1, compute_capability=(8, 0), cpu_bfloat16=True)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 3), (3, 5), (4, 1)])
def test_it_is_tensorflows_gradient(kernel, padding):
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(3, 6, 7, 5)), "float32")
    shape = (*kernel, 5, 4)
    upstream = rng.normal(size=tf.nn.conv2d(x, tf.zeros(shape), 1, padding.upper()).shape).astype("float32")
    wanted = tf.raw_ops.Conv2DBackpropFilter(
        input=x, filter_sizes=shape, out_backprop=upstream, strides=[1] * 4, padding=padding.upper()
    )
    np.testing.assert_allclose(filter_gradient(x, upstream, shape, padding), wanted, rtol=1e-4, atol=1e-4)


def net(policy="float32"):
    keras.utils.set_random_seed(0)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        x = inputs = keras.Input((6, 6, 128))
        x = layers.Conv2D(256, 3, padding="same", activation="relu", name="large")(x)
        x = layers.Conv2D(64, 3, padding="same", name="few")(x)
        x = layers.Conv2D(MANY // 64, 2, use_bias=False, name="just")(x)
        return keras.Model(inputs, layers.Dense(3, dtype="float32")(layers.GlobalAveragePooling2D()(x)))
    finally:
        keras.config.set_dtype_policy(before)


def gradients(model, x):
    @tf.function  # as `fit` computes them
    def of(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.cast(model(x, training=True), "float32") ** 2)
        return tape.gradient(loss, [w.value for w in model.trainable_weights])

    return [np.asarray(g) for g in of(x)]


@pytest.mark.parametrize("policy, tolerance", [("float32", 1e-4), ("mixed_bfloat16", 3e-2)])
def test_large_convolutions_change_and_the_net_does_not(policy, tolerance):
    plain, changed = net(policy), net(policy)
    assert as_products(changed) == ["large", "just"]
    x = np.random.default_rng(1).normal(size=(4, 6, 6, 128)).astype("float32")
    np.testing.assert_array_equal(changed(x), plain(x))
    assert fingerprint(changed) == fingerprint(plain)
    for weight, ours, theirs in zip(plain.trainable_weights, gradients(changed, x), gradients(plain, x), strict=True):
        assert np.linalg.norm(ours - theirs) <= tolerance * np.linalg.norm(theirs), weight.path


class Own(layers.Conv2D):
    def convolution_op(self, inputs, kernel):
        return 2 * super().convolution_op(inputs, kernel)


@pytest.mark.parametrize(
    "other", [Own(256, 3), *(layers.Conv2D(256, 3, **{key: 2}) for key in ("strides", "dilation_rate", "groups"))]
)
def test_other_layers_keep_their_own_way(other):
    assert as_products(keras.Sequential([other])) == []  # not built yet
    assert as_products(keras.Sequential([keras.Input((8, 8, 256)), other])) == []
    assert as_products(keras.Sequential([keras.Input((8, 8, 256)), layers.Conv2D(256, 3, name="plain")])) == ["plain"]


def test_a_changed_net_is_saved_and_copied_as_any_other(tmp_path):
    changed = net()
    as_products(changed)
    x = np.ones((2, 6, 6, 128), "float32")
    changed.save(tmp_path / "net.keras")
    kept = keras.models.load_model(tmp_path / "net.keras")
    copy = keras.models.clone_model(changed)
    copy.set_weights(changed.get_weights())
    for made in (kept, copy):
        np.testing.assert_array_equal(made(x), changed(x))
        assert "convolution_op" not in vars(made.get_layer("large"))


@pytest.mark.parametrize(
    "machine, policy, changes",
    [
        (AVX512, None, True),
        (AVX512, "float32", False),
        (AMX, None, False),
        (A100, None, False),
        (Hardware("a laptop", cores=2), "mixed_bfloat16", False),
    ],
)
def test_nets_are_built_with_it_where_it_was_measured(machine, policy, changes, monkeypatch):
    monkeypatch.setattr(budget.hardware, "detect", lambda: machine)
    made = training.build(models.alexnet8, policy=policy)
    changed = [layer.name for layer in made.layers if "convolution_op" in vars(layer)]
    assert changed == (["conv3", "conv4", "conv5"] if changes else [])


def test_it_trains():
    """Some steps on one batch: the loss falls as it does in Keras's way."""
    x = np.random.default_rng(1).normal(size=(8, 6, 6, 128)).astype("float32")
    y = np.arange(8) % 3
    losses = []
    for change in (False, True):
        model = net("mixed_bfloat16")
        if change:
            as_products(model)
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        losses.append(model.fit(x, y, epochs=6, verbose=0).history["loss"])
    assert losses[0][-1] < 0.7 * losses[0][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.1)
