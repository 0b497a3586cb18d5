"""What an exercise is, and the two common kinds: hand in a value, hand in a function.

A kind turns the truth, which it computes and never stores, and the typical mistakes into a checker. An
exercise of another kind brings its own checker.
"""

import copy
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from cnnlib.exercises._compare import difference

CORRECT, INCORRECT, NOT_ATTEMPTED = "correct", "incorrect", "not attempted"


class ExerciseError(Exception):
    """The learner's code raised (see the cause), or a strict check met an answer that is not correct."""


@dataclass(frozen=True)
class Verdict:
    """A check's outcome: "correct", "incorrect" or "not attempted"; what to say; which mistake it was."""

    status: str
    feedback: str = ""
    mistake: str | None = None


@dataclass(frozen=True)
class Mistake:
    """A typical wrong way, and what helps whoever took it.

    wrong computes what that way yields: for a value, called without arguments, None standing for a part that
    the mistake leaves open; for a function, called with the arguments of each case. An exercise with its own
    checker leaves it out and returns `verdict()`.
    """

    name: str
    feedback: str
    wrong: Callable | None = None

    def verdict(self):
        """Return the verdict on an answer that made this mistake."""
        return Verdict(INCORRECT, self.feedback, self.name)


@dataclass(frozen=True)
class Exercise:
    """One exercise: its id ("chapter.name"), the idea it practises, hints, typical mistakes, the checker."""

    id: str
    idea: str
    hints: tuple[str, ...]
    mistakes: tuple[Mistake, ...]
    checker: Callable

    def judge(self, answer):
        """Return the Verdict on an answer. Raises ExerciseError where the learner's own code raised."""
        if is_empty(answer):
            return Verdict(NOT_ATTEMPTED, "Put your answer in place of the None or the ..., then run it again.")
        try:
            verdict = self.checker(answer)
        except NotAttempted:
            return Verdict(NOT_ATTEMPTED, "Write the code, let it return its result, then run it again.")
        return Verdict(CORRECT, self.idea) if verdict.status == CORRECT else verdict


def value_exercise(id, *, idea, hints, truth, mistakes, rtol=1e-5):
    """Return an exercise whose answer is a number, an array, or a tuple of these.

    truth: a function of no arguments that computes the answer. rtol: the relative error allowed to rounding.
    """

    def checker(answer):
        if callable(answer):
            return Verdict(INCORRECT, "This is a function or a class, a value is expected: is a () missing?")
        problem = difference(answer, truth(), rtol)
        if problem is None:
            return Verdict(CORRECT)
        for mistake in mistakes:
            if difference(answer, mistake.wrong(), rtol) is None:
                return mistake.verdict()
        return Verdict(INCORRECT, problem)

    return Exercise(id, idea, tuple(hints), tuple(mistakes), checker)


def function_exercise(id, *, idea, hints, truth, cases, mistakes, rtol=1e-4, differ=difference):
    """Return an exercise whose answer is a function.

    truth: the right function. cases: a function of a NumPy Generator (always the same seed) that returns
    [{argument: value, ...}, ...]: ordinary inputs first, then the edges. Arguments are passed by position. differ: says
    what differs, as `difference` does.
    """

    def checker(answer):
        if not callable(answer):
            return Verdict(INCORRECT, "Hand in the function itself: its name, without quotes and without ().")
        results, problem = [], None
        for case in cases(np.random.default_rng(2024)):
            outcome = call(answer, case, first=not results)
            results.append((case, outcome))
            problem = problem or _case_problem(case, outcome, truth(*case.values()), rtol, differ)
        if problem is None:
            return Verdict(CORRECT)
        for mistake in mistakes:
            wrong = ((outcome, mistake.wrong(*case.values())) for case, outcome in results)
            if all(difference(outcome, value, rtol) is None for outcome, value in wrong):
                return mistake.verdict()
        return Verdict(INCORRECT, problem)

    return Exercise(id, idea, tuple(hints), tuple(mistakes), checker)


def check_models(answer, cases, end, problem):
    """Return the Verdict on a function that builds keras.Models.

    cases: [{argument: value, ...}, ...], passed by position. end: the last thing in the model, in words. problem: a
    function of the model and a case's arguments that returns a Verdict, or None where all is right.
    """
    import keras

    if not callable(answer) or isinstance(answer, keras.Model):
        return Verdict(INCORRECT, "Hand in the function itself: its name, without quotes and without ().")
    for number, case in enumerate(cases):
        model = call(answer, case, first=not number)
        if is_empty(model):
            return Verdict(INCORRECT, "Your function returned nothing: does every path end in return?")
        if not isinstance(model, keras.Model):
            return Verdict(INCORRECT, f"A keras.Model is expected, from the input to the {end}.")
        found = problem(model, **case)
        if found:
            return found
    return Verdict(CORRECT)


class NotAttempted(Exception):
    """The learner's code is still the stub."""


@contextmanager
def learners_code(doing, first=True):
    """Run the learner's code in this block: what it raises is shown, with what was being done.

    Raises NotAttempted for a NotImplementedError of the first run (the stub's), ExerciseError for any other.
    """
    try:
        yield
    except NotImplementedError as error:
        if first:
            raise NotAttempted from None
        raise _raised(error, doing) from error
    except Exception as error:
        raise _raised(error, doing) from error


def call(function, case, first=True):
    """Return function(*arguments) of one case; the learner's function gets copies, so it cannot spoil ours.

    Raises NotAttempted where the first call returns None or ..., and as `learners_code` does.
    """
    with learners_code(f"called with {describe(case)}", first):
        outcome = function(*copy.deepcopy(list(case.values())))
    if first and is_empty(outcome):
        raise NotAttempted
    return outcome


def is_empty(value):
    """Tell whether a value is a stub's: None, ..., or a tuple or list of nothing but these."""
    if type(value) in (tuple, list):
        return bool(value) and all(is_empty(item) for item in value)
    return value is None or value is Ellipsis


def describe(case):
    """Return a case as text: every argument by name, small arrays in full and big ones by shape and dtype."""
    return ", ".join(f"{name} = {_show(value)}" for name, value in case.items())


def _case_problem(case, outcome, expected, rtol, differ):
    if is_empty(outcome):
        return f"Your function returned nothing for {describe(case)}: does every path end in return?"
    problem = differ(outcome, expected, rtol)
    return problem and f"With {describe(case)}: {problem}"


def _show(value):
    if isinstance(value, np.random.Generator):
        return "a random generator"
    if not isinstance(value, np.ndarray):
        text = repr(value)
        return text if len(text) <= 160 else f"{text[:160]} ..."
    if value.size <= 9:
        numbers = np.array2string(value, precision=3, separator=", ").replace("\n", "")
        return f"{numbers} of dtype {value.dtype}"
    return f"an array of shape {value.shape} and dtype {value.dtype}"


def _raised(error, doing):
    return ExerciseError(f"your code raised {type(error).__name__}: {error} ({doing})")
