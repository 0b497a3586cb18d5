"""How fast the course's nets train and answer, against the lecture notes' code written again (``notes_nets.py``).

    make bench-training                                    all six nets, about 10 minutes on two free cores
    .venv/bin/python benchmarks/training.py vgg16 lenet5   some of them
    .venv/bin/python benchmarks/training.py --json cnnlib/results/speed/notes_recipe.json   for `cnnlib.compare`

With names of nets, `--json` replaces these in the file and keeps its others: they must come from the same machine and versions.

Run it on a machine that does nothing else. "Ours" is ``training.build(models.X)`` in the number format that it chooses
here, trained by ``training.fit``, on pixels 0 to 255. "Notes" is a class in float32 with a softmax, trained by Keras's own
``fit(x, y, batch_size=...)`` on arrays that were divided by 255 before. Both take the same images in the same batches, those of the
notes: 32, and 1024 where they train Inception10. Inference is Keras's ``predict`` in batches of 32.

Blocks of four runs (ours, notes, notes, ours; the next block the other way round) let a machine that grows faster or slower
favour neither. (Both run in one process, so the notes' code too keeps the memory that it frees: ``cnnlib.training.memory``.) Each block gives one ratio, ours to notes in images a second; the table shows their median and range. What
is done once (making nets, tracing, reading images in, validation) comes before or between the times. It prints; it judges nothing.
"""

import argparse
import datetime
import gc
import json
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from notes_nets import NETS

from cnnlib import models, training
from cnnlib.data import Dataset, Split
from cnnlib.stamp import versions
from cnnlib.training import hardware
from cnnlib.training.checkpoint import write_atomically
from cnnlib.training.record import git_state

INFERENCE_SHARE = 0.4  # of a training run's seconds: predict varies less
STEPS = 12  # of a run at least: an epoch's beginning takes as long as some hundredths of a large step


def training_batch(name):
    """Return how many images a step the notes train this net with."""
    return 1024 if name == "inception10" else 32


def random_images(count, seed=0):
    """Return images and labels like CIFAR-10's in everything but what they show, which costs no time."""
    rng = np.random.default_rng(seed)
    return Split(rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, (count, 1)))


class Clock(keras.callbacks.Callback):
    """Takes the time of one epoch's training steps, or of a prediction's batches, without what comes before and after them.

    Before them the images are read in. After them TensorFlow lets go of these, for which it was seen to wait up to half a second.
    """

    def on_epoch_begin(self, epoch, logs=None):
        self.begun, self.seconds = time.perf_counter(), None

    def on_predict_begin(self, logs=None):
        self.on_epoch_begin(0)

    def on_test_begin(self, logs=None):
        self._stop()

    def on_epoch_end(self, epoch, logs=None):
        self._stop()

    def on_predict_batch_end(self, batch, logs=None):
        self.last = logs["outputs"]

    def on_predict_end(self, logs=None):
        np.asarray(self.last)  # a GPU is still at work until somebody asks
        self._stop()

    def _stop(self):
        if self.seconds is None:
            self.seconds = time.perf_counter() - self.begun


class Ours:
    """A net of the course, trained as the chapters train it."""

    def __init__(self, name):
        self.net = training.build(getattr(models, name))
        self.few = random_images(8, seed=1)  # ``fit`` always validates; the clock stops before

    def train(self, images, batch_size):
        clock = Clock()
        dataset = Dataset("random", tuple("0123456789"), images, self.few, self.few)
        training.fit(self.net, dataset, epochs=1, batch_size=batch_size, callbacks=[clock], progress=False)
        return clock.seconds

    def predict(self, images, batch_size):
        return _predict(self.net, images.x, batch_size)


class Notes:
    """A net of the notes, trained as their scripts do (without their checkpoints and progress bar)."""

    def __init__(self, name):
        self.net = NETS[name]()
        self.net.compile(
            optimizer="adam",
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=False),
            metrics=["sparse_categorical_accuracy"],
        )
        self.scaled = (None, None)  # the images that came last, and what became of them

    def train(self, images, batch_size):
        clock = Clock()
        self.net.fit(self._floats(images), images.y, batch_size=batch_size, epochs=1, callbacks=[clock], verbose=0)
        return clock.seconds

    def predict(self, images, batch_size):
        return _predict(self.net, self._floats(images), batch_size)

    def _floats(self, images):
        if self.scaled[0] is not images:
            self.scaled = images, images.x.astype("float32") / 255
        return self.scaled[1]


def _predict(net, x, batch_size):
    clock = Clock()
    net.predict(x, batch_size=batch_size, callbacks=[clock], verbose=0)
    return clock.seconds


def compare(ours, notes, batch_size, seconds, blocks):
    """Time two functions (images, batch_size) -> seconds in blocks of four runs; return a report as plain values.

    A run of the slower one takes about ``seconds``, and ``STEPS`` at least.
    """
    # Twice: the first time traces, the second shows how many steps fill the time, enough of them that starting does not count.
    trial = random_images(min(16 * batch_size, 4096))
    for _ in range(2):
        spent = [run(trial, batch_size) for run in (ours, notes)]
    slower = max(spent) / (len(trial.x) // batch_size)
    images = random_images(max(STEPS, round(seconds / slower)) * batch_size)
    times = {"ours": [], "notes": []}
    runs = {"ours": ours, "notes": notes}
    for block in range(blocks):
        first, second = ("ours", "notes") if block % 2 == 0 else ("notes", "ours")
        for name in (first, second, second, first):
            times[name].append(runs[name](images, batch_size))
    pairs = [[sum(spent[i : i + 2]) for i in range(0, 2 * blocks, 2)] for spent in (times["ours"], times["notes"])]
    ratios = [theirs / mine for mine, theirs in zip(*pairs, strict=True)]
    speeds = {name: round(len(images.x) / statistics.median(spent), 1) for name, spent in times.items()}
    return {
        "batch_size": batch_size,
        "images": len(images.x),
        "ours_per_second": speeds["ours"],
        "notes_per_second": speeds["notes"],
        "ratio": round(statistics.median(ratios), 3),
        "lowest_ratio": round(min(ratios), 3),
        "highest_ratio": round(max(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
    }


def measure(name, seconds, blocks):
    """Return the report on one net, with the commit and the date: a file may hold nets of several days."""
    ours, notes = Ours(name), Notes(name)
    report = {
        "net": name,
        "git": git_state(),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "precision": ours.net.dtype_policy.name,
        "training": compare(ours.train, notes.train, training_batch(name), seconds, blocks),
        "inference": compare(ours.predict, notes.predict, 32, seconds * INFERENCE_SHARE, blocks),
    }
    del ours, notes
    keras.utils.clear_session()
    gc.collect()
    return report


def row(report):
    """Return the lines of the table on one net."""
    lines = []
    for part in ("training", "inference"):
        found = report[part]
        lines.append(
            f"{report['net']:<12}{report['precision']:<15}{part:<10}{found['batch_size']:>6}"
            f"{found['ours_per_second']:>11,.0f}{found['notes_per_second']:>11,.0f}"
            f"{found['ratio']:>8.2f}  {found['lowest_ratio']:.2f} to {found['highest_ratio']:.2f}"
        )
    return "\n".join(lines)


def parse(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("nets", nargs="*", metavar="NET", help=f"of {', '.join(NETS)} (default: all)")
    parser.add_argument("--blocks", type=int, default=5, help="blocks of four runs (default: 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of a training run (default: 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too; its other nets stay")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.nets if name not in NETS]
    if unknown:
        parser.error(f"NET={unknown[0]} is none of {', '.join(NETS)}")
    if options.blocks < 1 or not 0 < options.seconds < 3600:
        parser.error(f"--blocks={options.blocks} must be 1 or more, --seconds={options.seconds} above 0, below 3600")
    return options


def kept(path, facts, measured):
    """Return the file's reports by net, to be replaced where measured anew; ``facts`` must hold for those that stay."""
    if not path.exists():
        return {}
    try:
        there = json.loads(path.read_text(encoding="utf-8"))
        reports = {report["net"]: report for report in there["nets"]}
        differ = [f"{key} {there.get(key)!r}, here {now!r}" for key, now in facts.items() if there.get(key) != now]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SystemExit(f"--json={path} holds no report of this script ({type(error).__name__}: {error})") from error
    if differ and not set(reports) <= set(measured):
        raise SystemExit(f"--json={path} was measured otherwise ({'; '.join(differ)}): name another file, or no net")
    return reports


def main(arguments=None):
    options = parse(arguments)
    machine = hardware.detect()
    facts = {
        "cpu": machine.cpu,
        "cores": machine.cores,
        "gpu": machine.gpu,
        "cpu_bfloat16": machine.cpu_bfloat16,
        "cpu_amx": machine.cpu_amx,
        "versions": versions(),
        "blocks": options.blocks,
        "seconds": options.seconds,
    }
    nets = options.nets or list(NETS)
    reports = kept(options.json, facts, nets) if options.json else {}
    print(f"machine: {machine.gpu or machine.cpu}, {machine.cores} cores, ", end="")
    print(f"CPU {'with' if machine.cpu_bfloat16 else 'without'} bfloat16")
    print("versions: " + ", ".join(f"{name} {version}" for name, version in facts["versions"].items()))
    print(
        f"{'net':<12}{'ours in':<15}{'':<10}{'batch':>6}{'ours':>11}{'notes':>11}{'ratio':>8}  range of {options.blocks}"
    )
    print(f"{'':<43}{'images/s':>11}{'images/s':>11}")
    for name in nets:
        reports[name] = measure(name, options.seconds, options.blocks)
        print(row(reports[name]), flush=True)
    if options.json:
        text = json.dumps({**facts, "nets": list(reports.values())}, indent=1) + "\n"
        write_atomically(options.json, lambda file: file.write(text.encode()))


if __name__ == "__main__":
    main()
