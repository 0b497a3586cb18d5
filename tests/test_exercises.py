"""The checks of the exercises: what they accept, what they turn down and with which words, what they never do.

The answers live here and in the chapters. A solution is computed by Keras or plain NumPy, "other" is another right
answer, and every typical mistake that an exercise knows has an answer that makes it.
"""

import re
import subprocess
import sys
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import signal

from cnnlib import exercises
from cnnlib.exercises import ExerciseError
from cnnlib.exercises._compare import difference
from cnnlib.exercises._model import Mistake, function_exercise


@dataclass
class Sample:
    solution: Any
    other: Any
    stub: Any
    mistakes: dict = field(default_factory=dict)


def stub(*arguments):
    raise NotImplementedError


# --- From dense layers to convolution -----------------------------------------------------------------------


def keras_growth():
    import keras

    dense, convolution = keras.layers.Dense(128), keras.layers.Conv2D(16, 3)
    dense.build((None, 224 * 224 * 3))
    convolution.build((None, 224, 224, 3))
    return dense.count_params(), convolution.count_params()


def one_channel(image, kernel, missing=0):
    height, width = kernel.shape
    rows, columns = image.shape[0] - height + 1 - missing, image.shape[1] - width + 1 - missing
    y = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            y[row, column] = np.sum(image[row : row + height, column : column + width] * kernel)
    return y


def broken_layer(image, w, b, missing=1, each_channel=True, use_bias=True):
    """The function as the chapter prints it; the settings mend it bit by bit."""
    height, width, channels = image.shape
    kernel_height, kernel_width, _, filters = w.shape
    rows, columns = height - kernel_height + 1 - missing, width - kernel_width + 1 - missing
    y = np.zeros((rows, columns, filters))
    for row in range(rows):
        for column in range(columns):
            window = image[row : row + kernel_height, column : column + kernel_width]
            for f in range(filters):
                for c in range(channels):
                    y[row, column, f] += np.sum(window[:, :, c] * w[:, :, c, f])
                    y[row, column, f] += b[f] if use_bias and (each_channel or c == 0) else 0
    return y


def scipy_layer(image, w, b):
    maps = [
        sum(signal.correlate2d(image[:, :, c], w[:, :, c, f], mode="valid") for c in range(w.shape[2])) + b[f]
        for f in range(w.shape[3])
    ]
    return np.stack(maps, axis=-1)


# --- CIFAR-10 -----------------------------------------------------------------------------------------------


def split(labels, per_class, rng):
    flat = labels.ravel()
    drawn = [rng.choice(np.flatnonzero(flat == c), per_class, replace=False) for c in np.unique(flat)]
    validation = np.concatenate(drawn)
    return np.setdiff1d(np.arange(len(flat)), validation), validation


def split_by_walking(labels, per_class, rng):
    taken, train, validation = {}, [], []
    for index in rng.permutation(len(labels)):
        label = int(labels[index, 0])
        taken[label] = taken.get(label, 0) + 1
        (validation if taken[label] <= per_class else train).append(index)
    return train, validation


def split_without_classes(labels, per_class, rng):
    order, size = rng.permutation(len(labels)), per_class * len(np.unique(labels))
    return order[size:], order[:size]


def split_in_order(labels, per_class, rng):
    validation = np.concatenate([np.flatnonzero(labels[:, 0] == c)[:per_class] for c in np.unique(labels)])
    return np.setdiff1d(np.arange(len(labels)), validation), validation


def split_by_other_dice(labels, per_class, rng):
    return split(labels, per_class, np.random.default_rng())


def split_keeping_all(labels, per_class, rng):
    return np.arange(len(labels)), split(labels, per_class, rng)[1]


def split_losing_one(labels, per_class, rng):
    train, validation = split(labels, per_class, rng)
    return train[1:], validation


def standardise(x_train, x_test, axis=(0, 1, 2), own=False, both=False, ddof=0):
    source = np.concatenate([x_train, x_test]) / 255.0 if both else x_train / 255.0
    x_train, x_test = x_train / 255.0, x_test / 255.0
    test_source = x_test if own else source
    return (
        (x_train - source.mean(axis)) / source.std(axis, ddof=ddof),
        (x_test - test_source.mean(axis)) / test_source.std(axis, ddof=ddof),
    )


def standardise_bytes(x_train, x_test):
    """Without the division by 255, colour by colour, as lists: the result is the same."""
    results = []
    for x in (x_train, x_test):
        y = np.empty(x.shape, np.float32)
        for c in range(3):
            y[..., c] = (x[..., c] - np.mean(x_train[..., c])) / np.std(x_train[..., c])
        results.append(y)
    return results


# --- A first CNN --------------------------------------------------------------------------------------------


def keras_first_cnn(padding="same", pool=2):
    """Return the chapter's network as {layer's name: layer}, and the model."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            layers.Conv2D(6, 5, padding=padding, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.Activation("relu"),
            layers.MaxPooling2D(pool, pool, padding="same"),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(128, activation="relu", name="hidden"),
            layers.Dropout(0.2),
            layers.Dense(10, activation="softmax", name="last"),
        ]
    )
    return model, {layer.name: layer for layer in model.layers}


def keras_valid():
    _, layer = keras_first_cnn(padding="valid")
    return layer["conv"].output.shape[1], layer["conv"].count_params(), layer["hidden"].count_params()


def keras_rows():
    model, layer = keras_first_cnn(pool=4)
    rows = [layer[name].count_params() for name in ("conv", "norm", "hidden", "last")]
    return [*rows, model.count_params()]


def accuracy(logits, labels):
    return np.mean(logits.argmax(axis=1) == labels.ravel())


def accuracy_by_counting(logits, labels):
    right = 0
    for row, label in zip(logits.tolist(), labels.reshape(-1).tolist(), strict=True):
        right += row.index(max(row)) == label
    return right / len(labels)


def networks():
    """Return the class of the chapter, whose `call` has no training argument, and good and bad ways to mend it."""
    import keras
    from keras import layers

    class Broken(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv2D(6, 5, padding="same", use_bias=False)
            self.norm = layers.BatchNormalization()
            self.pool = layers.MaxPooling2D(2, 2, padding="same")
            self.drop = layers.Dropout(0.2)
            self.flatten = layers.Flatten()
            self.dense = layers.Dense(10, activation="softmax")

        def run(self, x, norm, drop):
            x = self.pool(keras.activations.relu(self.norm(self.conv(x), **norm)))
            return self.dense(self.flatten(self.drop(x, **drop)))

        def call(self, x):
            return self.run(x, {}, {})

    class Named(Broken):
        def call(self, x, training=None):
            return self.run(x, {}, {})

    class NormOnly(Broken):
        def call(self, x, training=None):
            return self.run(x, {"training": training}, {"training": False})

    class Always(Broken):
        def call(self, x, training=None):
            return self.run(x, {"training": True}, {"training": training})

    class AlwaysDropping(Broken):
        def call(self, x, training=None):
            return self.run(x, {"training": training}, {"training": True})

    class Removed(Broken):
        def call(self, x, training=None):
            return self.dense(self.flatten(self.drop(self.pool(self.conv(x)))))

    class Empty(keras.Model):
        pass

    def functional():
        return keras_first_cnn()[0]

    return {
        "broken": Broken,
        "named": Named,
        "norm only": NormOnly,
        "always": Always,
        "always dropping": AlwaysDropping,
        "removed": Removed,
        "empty": Empty,
        "functional": functional,
    }


@pytest.fixture(scope="module")
def samples():
    net = networks()
    se = lambda p, n: (p * (1 - p) / n) ** 0.5  # noqa: E731
    return {
        "dense-to-convolution.growth": Sample(
            keras_growth(),
            [224 * 224 * 3 * 128 + 128, 3 * 3 * 3 * 16 + 16],
            (None, None),
            {
                "one colour": (224 * 224 * 128 + 128, 448),
                "flat filter": (19_267_712, 3 * 3 * 16 + 16),
                "dense without bias": (224 * 224 * 3 * 128, 448),
                "filters without bias": (19_267_712, 3 * 3 * 3 * 16),
                "weights at every position": (19_267_712, 448 * 222 * 222),
            },
        ),
        "dense-to-convolution.window-sum": Sample(
            (-1, 15),
            np.array([-1.0, 15.0]),
            ...,
            {
                "swapped": (15, -1),
                "no bias": (-4, 12),
                "nine biases": (23, 39),
                "never turned": (-1, -1),
                "mirrored once": (-1, 16),
            },
        ),
        "dense-to-convolution.one-channel": Sample(
            one_channel,
            lambda image, kernel: signal.correlate2d(image, kernel, mode="valid").tolist(),
            stub,
            {
                "flipped": lambda image, kernel: signal.convolve2d(image, kernel, mode="valid"),
                "one short": lambda image, kernel: one_channel(image, kernel, missing=1),
                "same size": same_size,
                "kernel unused": lambda image, kernel: one_channel(image, np.ones(kernel.shape)),
            },
        ),
        "dense-to-convolution.find-the-bug": Sample(
            lambda image, w, b: broken_layer(image, w, b, missing=0, each_channel=False),
            scipy_layer,
            stub,
            {
                "as given": broken_layer,
                "one short": lambda image, w, b: broken_layer(image, w, b, each_channel=False),
                "bias for each channel": lambda image, w, b: broken_layer(image, w, b, missing=0),
                "no bias": lambda image, w, b: broken_layer(image, w, b, missing=0, use_bias=False),
            },
        ),
        "cifar10.memory": Sample(
            (
                50_000 * np.zeros((32, 32, 3), np.uint8).nbytes,
                50_000 * (np.zeros((32, 32, 3), np.uint8) / 255.0).nbytes,
            ),
            (153.6e6, 153.6e6 * 8),
            (None, None),
            {
                "float32": (153_600_000, 614_400_000),
                "same dtype": (153_600_000, 153_600_000),
                "one colour": (51_200_000, 409_600_000),
                "bits": (1_228_800_000, 9_830_400_000),
                "megabytes": (153.6, 1228.8),
            },
        ),
        "cifar10.chance": Sample(
            (0.1, se(0.1, 10_000), se(0.6, 5_000)),
            (Fraction(1, 10), 0.003, 0.007),
            (None, None, None),
            {
                "variance": (0.1, 9e-6, 0.0069),
                "one picture": (0.1, 0.3, 0.49),
                "percent": (10, 0.3, 0.69),
                "divided by n": (0.1, 0.00003, 0.0001),
                "chance again": (0.1, 0.003, 0.00424),
            },
        ),
        "cifar10.split": Sample(
            split,
            split_by_walking,
            stub,
            {
                "twice": split_keeping_all,
                "lost": split_losing_one,
                "unbalanced": split_without_classes,
                "other dice": split_by_other_dice,
                "not drawn": split_in_order,
            },
        ),
        "cifar10.standardise": Sample(
            standardise,
            standardise_bytes,
            stub,
            {
                "as given": lambda x_train, x_test: standardise(x_train, x_test, axis=0, own=True),
                "test statistics": lambda x_train, x_test: standardise(x_train, x_test, own=True),
                "per pixel": lambda x_train, x_test: standardise(x_train, x_test, axis=0),
                "both together": lambda x_train, x_test: standardise(x_train, x_test, both=True),
                "all colours in one": lambda x_train, x_test: standardise(x_train, x_test, axis=None),
                "sample deviation": lambda x_train, x_test: standardise(x_train, x_test, ddof=1),
            },
        ),
        "first-cnn.valid": Sample(
            keras_valid(),
            [28, 5 * 5 * 3 * 6 + 6, 14 * 14 * 6 * 128 + 128],
            (None, None, None),
            {
                "same size": (32, 456, 196_736),
                "one short": (27, 456, 14 * 14 * 6 * 128 + 128),
                "one border": (30, 456, 15 * 15 * 6 * 128 + 128),
                "flat filter": (28, 5 * 5 * 6 + 6, 150_656),
                "no bias": (28, 450, 150_656),
                "pooling forgotten": (28, 456, 28 * 28 * 6 * 128 + 128),
                "as with same": (28, 456, 196_736),
            },
        ),
        "first-cnn.rows": Sample(
            keras_rows(),
            (456, 24, 8 * 8 * 6 * 128 + 128, 1290, 456 + 24 + 49_280 + 1290),
            (None,) * 5,
            {
                "no moving averages": (456, 12, 49_280, 1290, 51_038),
                "normalised pixel by pixel": (456, 24 * 32 * 32, 49_280, 1290, 75_602),
                "old pooling": (456, 24, 196_736, 1290, 198_506),
                "one map": (456, 24, 8 * 8 * 128 + 128, 1290, 10_090),
                "no bias": (456, 24, 8 * 8 * 6 * 128, 1290, 50_922),
            },
        ),
        "first-cnn.accuracy": Sample(
            accuracy,
            accuracy_by_counting,
            stub,
            {
                "broadcast": lambda logits, labels: np.mean(logits.argmax(axis=1) == labels),
                "count": lambda logits, labels: int(np.sum(logits.argmax(axis=1) == labels.ravel())),
                "percent": lambda logits, labels: 100 * accuracy(logits, labels),
                "error rate": lambda logits, labels: np.mean(logits.argmax(axis=1) != labels.ravel()),
            },
        ),
        "first-cnn.training": Sample(
            net["named"],
            net["functional"],
            net["empty"],
            {
                "frozen": net["broken"],
                "dropout frozen": net["norm only"],
                "always training": net["always"],
                "removed": net["removed"],
            },
        ),
    }


def same_size(image, kernel):
    """TensorFlow's "same": the odd zero goes to the bottom and the right."""
    (top, bottom), (left, right) = (((k - 1) // 2, k - 1 - (k - 1) // 2) for k in kernel.shape)
    return one_channel(np.pad(image, ((top, bottom), (left, right))), kernel)


IDS = sorted(exercises._exercises)
CODE = {  # the answer is a function or a class
    "dense-to-convolution.one-channel",
    "dense-to-convolution.find-the-bug",
    "cifar10.split",
    "cifar10.standardise",
    "first-cnn.accuracy",
    "first-cnn.training",
}


# --- every exercise -----------------------------------------------------------------------------------------


def test_four_exercises_a_chapter():
    chapters = [id.split(".")[0] for id in IDS]
    assert {chapter: chapters.count(chapter) for chapter in chapters} == {
        "dense-to-convolution": 4,
        "cifar10": 4,
        "first-cnn": 4,
    }


def test_every_exercise_has_a_sample(samples):
    assert sorted(samples) == IDS
    assert {id for id, sample in samples.items() if callable(sample.solution)} == CODE


@pytest.mark.parametrize("id", IDS)
def test_the_solution_and_another_right_answer_are_accepted(samples, id, capsys):
    for answer in (samples[id].solution, samples[id].other):
        exercises.check(id, answer, strict=True)
        assert capsys.readouterr().out.startswith(f"Exercise {id}: correct. ")


@pytest.mark.parametrize("id", IDS)
def test_the_stub_is_not_attempted(samples, id, capsys):
    for answer in (samples[id].stub, None, ..., lambda *arguments: None):
        if callable(answer) and not callable(samples[id].solution):
            continue  # a function is a wrong answer where a value is expected
        exercises.check(id, answer)
        assert capsys.readouterr().out.startswith(f"Exercise {id}: not attempted. ")
        with pytest.raises(ExerciseError, match="not attempted"):
            exercises.check(id, answer, strict=True)


@pytest.mark.parametrize("id", IDS)
def test_typical_mistakes_get_their_own_feedback(samples, id, capsys):
    exercise = exercises._exercises[id]
    known = {mistake.name: mistake.feedback for mistake in exercise.mistakes}
    assert known.keys() == samples[id].mistakes.keys()
    assert len(known) >= 3
    assert len(set(known.values())) == len(known)
    for name, answer in samples[id].mistakes.items():
        verdict = exercises.judge(id, answer)
        assert (verdict.status, verdict.mistake, verdict.feedback) == ("incorrect", name, known[name])
        exercises.check(id, answer)
        assert known[name] in capsys.readouterr().out


@pytest.mark.parametrize("id", IDS)
def test_two_or_three_hints_in_steps(id, capsys):
    hints = exercises._exercises[id].hints
    assert len(set(hints)) == len(hints)
    assert len(hints) in (2, 3)
    exercises.hint(id)
    for n in range(1, len(hints) + 2):
        exercises.hint(id, n)
    first, *steps, beyond = capsys.readouterr().out.splitlines()
    assert first == steps[0]
    assert steps == [f"Hint {n} of {len(hints)}: {text}" for n, text in enumerate(hints, 1)]
    assert beyond.startswith("There are no more hints")


@pytest.mark.parametrize("id", [id for id in IDS if id not in CODE])
def test_nothing_printed_holds_the_answer(samples, id, capsys):
    """No number of the answer appears in hints or feedback, whatever is handed in."""
    answer = samples[id].solution
    exercise = exercises._exercises[id]
    for n in range(len(exercise.hints)):
        exercises.hint(id, n + 1)
    wrong = [
        *samples[id].mistakes.values(),
        samples[id].stub,
        0,
        "x",
        [1e9] * len(answer),
        [float("nan")] * len(answer),
    ]
    for handed_in in wrong:
        exercises.check(id, handed_in)
    printed = {text.replace(",", "") for text in re.findall(r"-?\d[\d,.]*\d|-?\d+", capsys.readouterr().out)}
    # 0.1 is "one of ten", and 0 to 9 count parts, hints and pixels.
    big = {str(number) for number in answer if abs(number) >= 10 or number != round(number)}
    assert big
    assert not big & printed


def test_functions_meet_the_same_inputs_every_time():
    seen = []

    def spy(image, kernel):
        seen.append((image.shape, kernel.shape, image.dtype.kind, float(image.sum() + kernel.sum())))
        return one_channel(image, kernel)

    for _ in range(2):
        exercises.check("dense-to-convolution.one-channel", spy, strict=True)
    first, second = seen[: len(seen) // 2], seen[len(seen) // 2 :]
    assert first == second
    assert len(set(first)) == len(first) >= 5
    assert any(image == kernel for image, kernel, *_ in first)  # only one window fits
    assert any(kernel == (1, 1) for _, kernel, *_ in first)
    assert any(height != width for (height, width), *_ in first)
    assert any(kind == "u" for *_, kind, _ in first)  # a photo's uint8


def test_a_function_that_spoils_its_input_spoils_nothing_else():
    def spoiling(image, kernel):
        y = one_channel(image, kernel)
        image[...], kernel[...] = 0, 0
        return y

    exercises.check("dense-to-convolution.one-channel", spoiling, strict=True)


def test_more_wrong_ways_than_the_typical_ones():
    shape = exercises.judge("dense-to-convolution.one-channel", lambda image, kernel: np.zeros((2, 7)))
    assert "(2, 7)" in shape.feedback
    assert "(4, 4)" in shape.feedback
    instance = exercises.judge("first-cnn.training", networks()["named"]())
    assert "without ()" in instance.feedback
    dropping = exercises.judge("first-cnn.training", networks()["always dropping"])
    assert dropping.mistake == "always training"
    no_pair = exercises.judge("cifar10.split", lambda labels, per_class, rng: rng)
    assert "two lists" in no_pair.feedback
    for part in ([0.5], [[1]], {1}, [True], "ab"):
        verdict = exercises.judge("cifar10.split", lambda labels, per_class, rng, part=part: (part, [0]))
        assert (verdict.status, verdict.mistake) == ("incorrect", None)
        assert "training part" in verdict.feedback


# --- what a check never does --------------------------------------------------------------------------------


class Equal:
    """Equal to everything, and a number, an array and a function when asked."""

    def __eq__(self, other):
        return True

    __hash__ = object.__hash__

    def __float__(self):
        return 0.0

    def __array__(self, *arguments, **options):
        return np.zeros(())

    def __call__(self, *arguments):
        return Equal()


class EqualArray(np.ndarray):
    def __eq__(self, other):
        return True

    def __array_function__(self, *arguments):
        return True


class EqualInt(int):
    def __eq__(self, other):
        return True

    __hash__ = int.__hash__


@pytest.mark.parametrize("id", IDS)
def test_an_object_equal_to_everything_never_passes(samples, id):
    as_array = np.zeros(3).view(EqualArray)
    as_objects = np.array([Equal()] * 3)
    answers = [Equal(), (Equal(), Equal()), [Equal()] * 3, (Equal(),) * 5, as_array, as_objects, EqualInt(1)]
    functions = [lambda *arguments, answer=answer: answer for answer in answers]
    for answer in [*answers, *functions]:
        if id == "first-cnn.training" and answer is not functions[0]:
            assert exercises.judge(id, (Equal(),)).status == "incorrect"
            continue
        try:
            verdict = exercises.judge(id, answer)
        except ExerciseError:
            assert id == "first-cnn.training"  # its check calls the model that is no model
            continue
        assert verdict.status == "incorrect"


def learner_who_fails(*arguments):
    raise ZeroDivisionError("my own error")


@pytest.mark.parametrize("id", sorted(CODE))
@pytest.mark.parametrize("strict", [False, True])
def test_the_learners_error_reaches_the_learner(id, strict, capsys):
    with pytest.raises(ExerciseError, match="your code raised ZeroDivisionError: my own error") as raised:
        exercises.check(id, learner_who_fails, strict)
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    frames = [entry.name for entry in raised.traceback] + [
        frame.f_code.co_name for frame, _ in walk(raised.value.__cause__.__traceback__)
    ]
    assert "learner_who_fails" in frames
    assert "my own error" in capsys.readouterr().out


def walk(traceback):
    while traceback:
        yield traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next


def test_the_error_names_the_input_it_came_from():
    def only_square(image, kernel):
        if image.shape[0] != image.shape[1]:
            raise IndexError("not square")
        return one_channel(image, kernel)

    with pytest.raises(
        ExerciseError, match=r"not square.*image = an array of shape \(5, 8\) and dtype float64, kernel = "
    ):
        exercises.check("dense-to-convolution.one-channel", only_square)


def test_an_interrupt_is_not_caught():
    def slow(image, kernel):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exercises.check("dense-to-convolution.one-channel", slow)


def test_an_unfinished_function_is_told_so():
    def half(image, kernel):
        if image.shape == kernel.shape:
            raise NotImplementedError("later")
        return one_channel(image, kernel)

    with pytest.raises(ExerciseError, match="NotImplementedError: later"):
        exercises.check("dense-to-convolution.one-channel", half)

    def sometimes(image, kernel):
        return one_channel(image, kernel) if image.shape != kernel.shape else None

    verdict = exercises.judge("dense-to-convolution.one-channel", sometimes)
    assert verdict.status == "incorrect"
    assert "returned nothing" in verdict.feedback


def test_a_value_for_a_function_and_the_other_way_round():
    assert "without ()" in exercises.judge("first-cnn.accuracy", 0.5).feedback
    assert "is a () missing" in exercises.judge("first-cnn.rows", keras_rows).feedback


def test_a_half_filled_answer_is_told_which_part_is_empty():
    verdict = exercises.judge("first-cnn.valid", (28, None, 150_656))
    assert (verdict.status, verdict.feedback) == ("incorrect", "Part 2 of 3: it is still empty.")


# --- hints, report, ids -------------------------------------------------------------------------------------


def test_report_shows_the_last_verdict_of_what_was_tried(samples, monkeypatch, capsys):
    monkeypatch.setattr(exercises, "_tried", {})
    exercises.report()
    exercises.check("first-cnn.valid", None)
    exercises.check("cifar10.memory", (1, 2))
    exercises.check("first-cnn.valid", samples["first-cnn.valid"].solution)
    with pytest.raises(ExerciseError):
        exercises.check("first-cnn.accuracy", learner_who_fails)
    first, *checks = capsys.readouterr().out.splitlines()
    assert first == "No exercise has been checked in this kernel."
    exercises.report()
    assert capsys.readouterr().out.splitlines() == [
        "first-cnn.valid: correct",
        "cifar10.memory: incorrect",
        "first-cnn.accuracy: stopped by an error",
    ]


@pytest.mark.parametrize("call", [exercises.hint, lambda id: exercises.check(id, 1), lambda id: exercises.judge(id, 1)])
def test_an_unknown_id_lists_the_close_ones(call):
    with pytest.raises(ValueError, match=r"'first-cnn.vlid' is not an exercise.*'first-cnn.valid'"):
        call("first-cnn.vlid")
    with pytest.raises(TypeError, match="id=3"):
        call(3)


@pytest.mark.parametrize(("n", "error"), [(0, ValueError), (-1, ValueError), (1.0, TypeError), ("1", TypeError)])
def test_a_hint_number_that_is_none(n, error):
    with pytest.raises(error, match=r"n="):
        exercises.hint("first-cnn.valid", n)


def test_importing_the_checks_loads_no_tensorflow():
    code = "import sys, cnnlib.exercises; assert not {'tensorflow', 'keras'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- comparing values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "truth"),
    [
        (3, 3),
        (3.0, 3),
        (np.uint8(3), 3),
        (np.array(3), 3),
        (0.1 + 0.2, 0.3),
        ([[1, 2], [3, 4]], np.array([[1.0, 2], [3, 4]])),
        (np.array([28, 28, 6]), (28, 28, 6)),
        ([28, 28, 6], (28, 28, 6)),
        (Fraction(1, 3), 1 / 3),
        (float("nan"), float("nan")),
        (float("inf"), float("inf")),
        ((np.ones(2), [1, 2, 3]), (np.ones(2), np.array([1, 2, 3]))),
    ],
)
def test_equal_values(answer, truth):
    assert difference(answer, truth, 1e-6) is None


@pytest.mark.parametrize(
    ("answer", "truth", "says"),
    [
        (3.1, 3, "too large"),
        (10_000_001, 10_000_000, "too large"),
        (-3, 3, "too small"),
        (10**400, 3, "too large"),
        (-(10**400), 3, "too small"),
        (float("nan"), 3, "NaN"),
        (np.array([1, np.nan]), np.array([1, 2]), "NaN at position (1,)"),
        (True, 1, "not a value of type bool"),
        (np.array([True]), np.array([1]), "dtype bool"),
        ("3", 3, "quotes"),
        (3 + 0j, 3, "type complex"),
        (Fraction(10**400), 3, "too large"),
        ({3}, 3, "type set"),
        (np.ones((3, 1)), np.ones(3), "is (3, 1) and should be (3,)"),
        (np.ones(1), 1, "is (1,) and should be () (a single number)"),
        ([[1, 2], [3]], np.ones((2, 2)), "different lengths"),
        (np.array([1, 2, 9]), np.array([1, 2, 3]), "1 of 3 numbers are not; the first at position (2,) is too large"),
        (3, (3, 4), "2 parts"),
        ((3,), (3, 4), "2 parts are expected and your answer has 1"),
        ((3, 5), (3, 4), "Part 2 of 2: the number is too large"),
    ],
)
def test_different_values_and_what_is_said(answer, truth, says):
    assert says in difference(answer, truth, 1e-6)


def test_a_tensor_is_told_how_to_become_an_array():
    import tensorflow as tf

    assert ".numpy()" in difference(tf.constant(3.0), 3, 1e-6)


def test_a_mistake_must_explain_every_case():
    """Feedback is given only where the mistake yields what the learner's function yields, in all cases."""
    exercise = function_exercise(
        "test.double",
        idea="",
        hints=(),
        truth=lambda n: 2 * n,
        cases=lambda rng: [{"n": 2}, {"n": 5}],
        mistakes=(Mistake("squared", "You squared.", lambda n: n * n),),
    )
    assert exercise.judge(lambda n: n * n).mistake == "squared"
    other = exercise.judge(lambda n: 2 * n if n == 2 else 0)
    assert (other.mistake, other.feedback) == (None, "With n = 5: The number is too small.")
