"""Record the numbers that the batch normalisation calculator calls "recorded maps".

    python tools/batch_norm_maps.py

trains the course's first CNN for one epoch on Shapes-10 (seed 0: 250 batches of 32), takes what its convolution `conv1`
gives on 100 validation pictures, before batch normalisation, and keeps 256 numbers of one filter: of the most skewed
one, drawn with seed 0, rounded to two decimals. They go into cnnlib/widgets/batch_norm.json, under "real".
It takes a minute on a laptop. Another machine adds up in another order: its numbers may differ in the last decimal.
"""

import json
import re
from pathlib import Path

import numpy as np

TARGET = Path(__file__).resolve().parents[1] / "cnnlib" / "widgets" / "batch_norm.json"
PICTURES, NUMBERS = 100, 256


def record():
    """Return the numbers as a list of floats with two decimals."""
    import keras

    from cnnlib import data, models, training

    train, validation, _ = data.load_shapes10()
    model = training.build(models.baseline, seed=0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    model.fit(train.x, train.y, batch_size=32, epochs=1, verbose=0)
    maps = keras.Model(model.input, model.get_layer("conv1").output).predict(validation.x[:PICTURES], verbose=0)
    channels = maps.reshape(-1, maps.shape[-1]).astype(float)
    skewness = ((channels - channels.mean(axis=0)) ** 3).mean(axis=0) / channels.std(axis=0) ** 3
    chosen = channels[:, np.argmax(np.abs(skewness))]
    sample = np.random.default_rng(0).choice(chosen, NUMBERS, replace=False)
    return [round(float(number), 2) + 0.0 for number in sample]


def write(numbers, target=TARGET):
    """Put the numbers into the file, and leave the rest of it as it is."""
    text = target.read_text(encoding="utf-8")
    text, times = re.subn(r'"real": \[[^\]]*\]', f'"real": {json.dumps(numbers)}', text)
    if times != 1:
        raise ValueError(f'{target.name} has {times} lists called "real": it must have one')
    target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(record())
