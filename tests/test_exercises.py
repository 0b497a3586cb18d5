"""The checks of the exercises: what they accept, what they turn down and with which words, what they never do.

What is handed in stands in exercise_samples, one module a chapter. The tests of every exercise run over all of them.
"""

import copy
import functools
import pickle
import re
import subprocess
import sys
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from exercise_samples import collect, stub
from exercise_samples.dense_to_convolution import one_channel
from exercise_samples.keras_conv_layer import from_torch
from exercise_samples.padding_and_stride import zeros_for_same
from exercise_samples.receptive_field import broken_span, span_by_walking

from cnnlib import exercises
from cnnlib.exercises import ExerciseError, _model
from cnnlib.exercises._compare import difference
from cnnlib.exercises._model import Mistake, function_exercise

SAMPLES = collect()
IDS = list(SAMPLES)
CODE = [id for id in IDS if SAMPLES[id].is_code]  # the answer is a function or a class
VALUES = [id for id in IDS if id not in CODE]


@functools.cache
def sample(id):
    return SAMPLES[id].ready()


# --- every exercise -----------------------------------------------------------------------------------------


def test_every_exercise_has_a_sample():
    assert list(exercises._exercises) == IDS


def test_four_exercises_a_chapter():
    assert set(Counter(id.split(".")[0] for id in IDS).values()) == {4}


@pytest.mark.parametrize("id", IDS)
def test_the_solution_and_other_right_answers_are_accepted(id, capsys):
    for answer in (sample(id).solution, sample(id).other, *sample(id).more):
        assert callable(answer) == (id in CODE)
        exercises.check(id, answer, strict=True)
        assert capsys.readouterr().out.startswith(f"Exercise {id}: correct. ")


@pytest.mark.parametrize("id", IDS)
def test_the_stub_is_not_attempted(id, capsys):
    more = [stub, lambda *arguments: None] if id in CODE else [(None,) * 2, [...] * 9]
    for answer in (sample(id).stub, None, ..., *more):
        exercises.check(id, answer)
        assert capsys.readouterr().out.startswith(f"Exercise {id}: not attempted. ")
        with pytest.raises(ExerciseError, match="not attempted"):
            exercises.check(id, answer, strict=True)


@pytest.mark.parametrize("id", IDS)
def test_typical_mistakes_get_their_own_feedback(id, capsys):
    known = {mistake.name: mistake.feedback for mistake in exercises._exercises[id].mistakes}
    assert known.keys() == sample(id).mistakes.keys()
    assert len(set(known.values())) == len(known) >= 3
    for name, answer in sample(id).mistakes.items():
        verdict = exercises.judge(id, answer)
        assert (verdict.status, verdict.mistake, verdict.feedback) == ("incorrect", name, known[name])
        exercises.check(id, answer)
        assert known[name] in capsys.readouterr().out


@pytest.mark.parametrize("id", [id for id in IDS if SAMPLES[id].near_misses])
def test_more_wrong_ways_than_the_typical_ones(id):
    for answer, says in sample(id).near_misses:
        verdict = exercises.judge(id, answer)
        assert verdict.status == "incorrect"
        assert says in verdict.feedback


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


@pytest.mark.parametrize("id", VALUES)
def test_nothing_printed_holds_the_answer(id, capsys):
    """No number of the answer appears in hints or feedback, whatever is handed in."""
    numbers = flat(sample(id).solution)
    # 0 to 9 count parts, hints and pixels.
    secret = {text for number in numbers if abs(number) >= 10 or number % 1 for text in written(abs(number))}
    assert secret, "numbers this small stand in any text: choose an exercise with a larger one"
    for n in range(len(exercises._exercises[id].hints)):
        exercises.hint(id, n + 1)
    of_its_length = [[number] * len(numbers) for number in (1e9, float("nan"))]
    for answer in (*sample(id).mistakes.values(), sample(id).stub, 0, "x", *of_its_length):
        exercises.check(id, answer)
    text = capsys.readouterr().out
    assert not secret & set(re.findall(r"\d+(?:\.\d+)?", f"{text} {text.replace(',', '')}"))


def flat(answer):
    """Return the numbers of a number, an array, or a tuple of these."""
    if isinstance(answer, tuple | list) or np.ndim(answer):
        return [number for part in answer for number in flat(part)]
    return [answer]


def written(number):
    """Return the ways a text may give a number: a count in full, any other rounded too."""
    return {str(int(number))} if number % 1 == 0 else {str(float(number)), f"{number:.3g}", f"{number:.2g}"}


@pytest.mark.parametrize("id", CODE)
def test_functions_meet_the_same_inputs_every_time(id):
    first, second = inputs(id), inputs(id)
    assert pickle.dumps(first) == pickle.dumps(second)
    for what, holds in SAMPLES[id].inputs.items():
        assert holds(first), f"among the inputs there should be: {what}"


def inputs(id):
    """Return the arguments of every call that a check makes."""
    seen = []

    def spy(*arguments):
        seen.append(copy.deepcopy(arguments))
        return sample(id).solution(*arguments)

    exercises.check(id, spy, strict=True)
    return seen


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
def test_an_object_equal_to_everything_never_passes(id):
    as_array = np.zeros(3).view(EqualArray)
    as_objects = np.array([Equal()] * 3)
    answers = [Equal(), (Equal(), Equal()), [Equal()] * 3, (Equal(),) * 5, as_array, as_objects, EqualInt(1)]
    functions = [lambda *arguments, answer=answer: answer for answer in answers]
    for answer in [*answers, *functions]:
        try:
            verdict = exercises.judge(id, answer)
        except ExerciseError:  # only a checker of another kind uses what a function returned, as a model is used
            assert exercises._exercises[id].checker.__module__ != _model.__name__
        else:
            assert verdict.status == "incorrect"


def learner_who_fails(*arguments):
    raise ZeroDivisionError("my own error")


@pytest.mark.parametrize("id", CODE)
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
    assert "is a () missing" in exercises.judge("first-cnn.rows", stub).feedback


def test_a_half_filled_answer_is_told_which_part_is_empty():
    verdict = exercises.judge("first-cnn.valid", (28, None, 150_656))
    assert (verdict.status, verdict.feedback) == ("incorrect", "Part 2 of 3: it is still empty.")


def test_strict_raises_for_a_wrong_answer():
    with pytest.raises(ExerciseError, match=r"first-cnn.valid: incorrect. Part 1 of 3: the number is too small"):
        exercises.check("first-cnn.valid", (1, 2, 3), strict=True)


def test_a_function_that_spoils_its_input_spoils_nothing_else():
    def spoiling(image, kernel):
        y = one_channel(image, kernel)
        image[...], kernel[...] = 0, 0
        return y

    exercises.check("dense-to-convolution.one-channel", spoiling, strict=True)


# --- hints, report, ids -------------------------------------------------------------------------------------


def test_report_shows_the_last_verdict_on_each_exercise_of_a_chapter(monkeypatch, capsys):
    monkeypatch.setattr(exercises, "_tried", {})
    exercises.report()
    exercises.check("first-cnn.valid", None)
    exercises.check("cifar10.memory", (1, 2))
    exercises.check("first-cnn.valid", sample("first-cnn.valid").solution)
    with pytest.raises(ExerciseError):
        exercises.check("first-cnn.accuracy", learner_who_fails)
    first, *checks = capsys.readouterr().out.splitlines()
    assert first == "No exercise has been checked in this kernel."
    # The chapter's own solutions run in the same kernel, in the full notebook.
    exercises.check("cifar10.memory", sample("cifar10.memory").solution, strict=True)
    with pytest.raises(ExerciseError):
        exercises.check("first-cnn.valid", None, strict=True)
    capsys.readouterr()
    exercises.report()
    said = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    assert {id: verdict for id, verdict in said.items() if verdict != "not checked"} == {
        "first-cnn.valid": "correct",
        "cifar10.memory": "incorrect",
        "first-cnn.accuracy": "stopped by an error",
    }
    assert list(said) == [id for id in exercises._exercises if id.split(".")[0] in ("first-cnn", "cifar10")]


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


# --- single chapters: samples against Keras, printed code against the chapter -------------------------------


@pytest.mark.parametrize(
    ("n", "k", "s", "d"), [(28, 3, 1, 1), (32, 3, 2, 1), (31, 3, 2, 1), (50, 4, 3, 1), (28, 3, 1, 4), (9, 2, 3, 1)]
)
def test_the_zeros_are_keras_own(n, k, s, d):
    """A 1 in each cell in turn shows which cells the first and the last output read: what they lack is zeros."""
    import keras

    cells = np.eye(n, dtype="float32")[:, :, None]  # a batch: picture i has its 1 in cell i
    y = keras.ops.conv(cells, np.ones((k, 1, 1), "float32"), strides=s, padding="same", dilation_rate=d)
    y = np.asarray(y)[:, :, 0]
    spans, read_first, read_last = d * (k - 1) + 1, np.flatnonzero(y[:, 0]), np.flatnonzero(y[:, -1])
    measured = spans - 1 - read_first[-1], max(read_last[0] + spans - n, 0)

    def answer(*case):
        return measured if case == (n, k, s, d) else zeros_for_same(*case)

    assert zeros_for_same(n, k, s, d) == measured
    exercises.check("padding-and-stride.zeros", answer, strict=True)


def test_transposed_weights_compute_what_pytorch_computes():
    """A layer that holds the answer's weights gives PyTorch's sum over (filters, channels, height, width)."""
    import keras

    rng = np.random.default_rng(3)
    w, b, x = rng.normal(size=(5, 2, 3, 4)), rng.normal(size=5), rng.normal(size=(1, 2, 9, 8))
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 4), axis=(2, 3))
    y = np.einsum("ncpqij,fcij->nfpq", windows, w) + b[:, None, None]
    layer = keras.layers.Conv2D(5, (3, 4))
    layer.build((None, 9, 8, 2))
    layer.set_weights(from_torch(w, b))
    np.testing.assert_allclose(np.moveaxis(layer(np.moveaxis(x, 1, 3)), 3, 1), y, atol=1e-5)


def test_the_broken_span_is_right_without_strides():
    """As the chapter says: for stacks of stride 1 and index 0."""
    layers = [(3, 1, 1), (5, 1, 2)]
    assert broken_span(layers, 0) == tuple(span_by_walking(layers, 0))
