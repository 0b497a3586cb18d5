"""The gradient of a convolution's filters as matrix products, on processors where TensorFlow's own way is the slower one."""

import keras
import tensorflow as tf

from cnnlib.geometry import pad_amounts
from cnnlib.training.recipe import inner_layers

# Input channels times filters from which on the products are faster: one and a half times with 128 and 256, 2 to 5 times
# with 512 and 512, as one AMD EPYC (Zen 5, AVX-512) had it in bfloat16, and slower with 128 and 128. For this gradient
# alone oneDNN needs longer there than in float32.
MANY = 128 * 256


def as_products(model):
    """Let the large convolutions of a net compute the gradient of their filters by matrix products.

    What a net puts out and how it is saved stay as they are; the gradient is the same sum, rounded otherwise. Only plain
    ``Conv2D`` layers with strides of 1, no dilation, no groups and ``MANY`` weights a cell of the kernel change; a net that
    Keras makes again from its settings computes in Keras's way.

    Args:
        model: a built Keras model.

    Returns:
        The names of the layers that changed, in the net's order.

    """
    layers = [layer for layer in inner_layers(model) if _is_large(layer)]
    for layer in layers:
        layer.convolution_op = _convolution(layer.padding)
    return [layer.name for layer in layers]


def _is_large(layer):
    return (
        type(layer) is keras.layers.Conv2D  # a subclass may compute something else
        and layer.built
        and layer.strides == layer.dilation_rate == (1, 1)
        and layer.groups == 1
        and layer.data_format == "channels_last"
        and layer.kernel.shape[2] * layer.filters >= MANY
    )


def _convolution(padding):
    @tf.custom_gradient
    def convolve(inputs, kernel):
        def gradient(upstream):
            to_inputs = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=tf.shape(inputs),
                filter=kernel,
                out_backprop=upstream,
                strides=[1] * 4,
                padding=padding.upper(),
            )
            return to_inputs, filter_gradient(inputs, upstream, kernel.shape, padding)

        return tf.nn.conv2d(inputs, kernel, strides=1, padding=padding.upper()), gradient

    return lambda inputs, kernel: convolve(inputs, tf.convert_to_tensor(kernel, inputs.dtype))


def filter_gradient(inputs, upstream, kernel_shape, padding):
    """Return the gradient of a convolution with strides of 1 with respect to its kernel.

    For each cell of the kernel one product: the inputs that this cell met, times what came back from where it met them.

    Args:
        inputs: (N, height, width, channels) tensor.
        upstream: (N, out height, out width, filters) tensor, the gradient with respect to what the convolution put out.
        kernel_shape: (kernel height, kernel width, channels, filters).
        padding: "same" or "valid".

    Returns:
        Tensor of the kernel's shape.

    """
    height, width, channels, filters = kernel_shape
    sides = [pad_amounts(k, k, padding=padding) for k in (height, width)]  # with strides of 1 the same for every n
    padded = tf.pad(inputs, [(0, 0), *sides, (0, 0)])
    rows, columns = tf.unstack(tf.shape(upstream)[1:3])
    flat = tf.reshape(upstream, (-1, filters))
    products = [
        tf.matmul(tf.reshape(padded[:, i : i + rows, j : j + columns], (-1, channels)), flat, transpose_a=True)
        for i in range(height)
        for j in range(width)
    ]
    return tf.reshape(tf.stack(products), kernel_shape)
