"""A functional net that trains with its layers in inference mode: the mistake that several chapters measure."""

import keras

from cnnlib._arguments import boolean


@keras.saving.register_keras_serializable("cnnlib")  # a saved net finds it again
class _Asleep(keras.Model):
    """A functional net whose batch normalisation and dropout stay in inference mode, in ``fit`` too."""

    # Writing `training=False` into the layers' own calls would not do: a functional net overrules them in `fit`.
    def call(self, inputs, training=None, mask=None):
        return super().call(inputs, training=False, mask=mask)


def model(inputs, outputs, name, asleep):
    """Return the net as a ``keras.Model``, or, where ``asleep``, as one named "NAME-asleep" that trains in inference mode."""
    if boolean("asleep", asleep):
        return _Asleep(inputs, outputs, name=f"{name}-asleep")
    return keras.Model(inputs, outputs, name=name)
