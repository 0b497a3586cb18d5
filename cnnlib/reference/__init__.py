"""Layers in readable NumPy, forward and backward: what the chapters derive, checked against TensorFlow.

Pictures are (images, height, width, channels), kernels (height, width, channels, filters), as in Keras. Sizes
and padding come from `geometry`. Whole numbers and half precision are computed in float32 or better, so that
no uint8 picture overflows.

The backward pass of a layer is named after it: `conv2d_backward` belongs to `conv2d`. It takes dy, the gradient
of a loss with respect to the layer's output, then what went into the layer, and returns the gradient with respect
to the layer's input, then those of its parameters, each shaped like what it belongs to. Where a layer has a kink,
the gradient is the one that TensorFlow's CPU gives.
"""

from cnnlib.reference.activation import relu, relu_backward, sigmoid, sigmoid_backward, softmax
from cnnlib.reference.convolution import conv2d, conv2d_backward, conv2d_loops, conv2d_matmul, conv2d_windows
from cnnlib.reference.linear import dense, dense_backward
from cnnlib.reference.loss import cross_entropy, cross_entropy_backward
from cnnlib.reference.noise import dropout, dropout_backward, dropout_mask
from cnnlib.reference.normalisation import batch_norm, batch_norm_backward, moving_average
from cnnlib.reference.pooling import (
    average_pool,
    average_pool_backward,
    global_average_pool,
    global_average_pool_backward,
    global_max_pool,
    global_max_pool_backward,
    max_pool,
    max_pool_backward,
)

__all__ = [
    "average_pool",
    "average_pool_backward",
    "batch_norm",
    "batch_norm_backward",
    "conv2d",
    "conv2d_backward",
    "conv2d_loops",
    "conv2d_matmul",
    "conv2d_windows",
    "cross_entropy",
    "cross_entropy_backward",
    "dense",
    "dense_backward",
    "dropout",
    "dropout_backward",
    "dropout_mask",
    "global_average_pool",
    "global_average_pool_backward",
    "global_max_pool",
    "global_max_pool_backward",
    "max_pool",
    "max_pool_backward",
    "moving_average",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "softmax",
]
