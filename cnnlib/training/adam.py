"""Adam as Keras defines it, with one pass over memory instead of several."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("cnnlib")  # a saved net finds it again
class Adam(keras.optimizers.Adam):
    """Keras's Adam; TensorFlow's fused operation makes each step.

    Keras writes a step as some ten operations, each of which reads and writes all weights: on a CPU, with few images a
    batch and millions of weights, that takes as long as the convolutions. ``ResourceApplyAdam`` does the same
    arithmetic (Kingma and Ba 2015, end of section 2) in one pass. Settings that it does not know go Keras's way.
    """

    def update_step(self, gradient, variable, learning_rate):
        """Move one weight, and its two moments, by one step."""
        if self.amsgrad or isinstance(gradient, tf.IndexedSlices) or not hasattr(variable, "handle"):
            return super().update_step(gradient, variable, learning_rate)
        i = self._get_variable_index(variable)
        dtype = variable.dtype
        step = tf.cast(self.iterations.value + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[i].value.handle,
            v=self._velocities[i].value.handle,
            beta1_power=tf.cast(self.beta_1, dtype) ** step,
            beta2_power=tf.cast(self.beta_2, dtype) ** step,
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.cast(self.beta_1, dtype),
            beta2=tf.cast(self.beta_2, dtype),
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )
