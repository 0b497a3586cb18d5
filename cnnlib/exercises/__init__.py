"""Checks and hints for the exercises of the chapters.

    from cnnlib import exercises
    exercises.check("dense-to-convolution.window-sum", answer)  # correct, incorrect (and why), not attempted
    exercises.hint("dense-to-convolution.window-sum")           # the first hint; then n=2, n=3
    exercises.report()                                          # a line an exercise of each chapter that was tried

One file a chapter holds that chapter's exercises, in a tuple `EXERCISES`; a new file is found by itself.
Nothing here prints an answer, and an error in the learner's own code always reaches the learner.
"""

import difflib
import importlib
import pkgutil

from cnnlib._arguments import integer
from cnnlib.exercises._model import ExerciseError, Verdict

__all__ = ["ExerciseError", "Verdict", "check", "hint", "judge", "report"]


def _collect():
    """Return {id: Exercise} of every chapter's file; a module whose name starts with "_" is no chapter."""
    found = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            for exercise in importlib.import_module(f"{__name__}.{module.name}").EXERCISES:
                if exercise.id in found:
                    raise RuntimeError(f"two exercises are called {exercise.id!r}")
                found[exercise.id] = exercise
    return found


_exercises = _collect()
_tried = {}  # id -> the learner's last outcome in this kernel


def check(id, answer, strict=False):
    """Print whether the answer is correct, incorrect (and why), or not attempted yet.

    id: the exercise's name, as it stands in the chapter. answer: a plain number, NumPy array, tuple or list
    of these, or the function or class that the exercise asks for. strict: for a chapter's own solution; raise unless
    correct, and leave ``report`` alone.
    Raises ExerciseError where strict says so, and where the learner's own code raised (that error is its
    cause); ValueError for an unknown id.
    """
    exercise = _find(id)
    try:
        verdict = exercise.judge(answer)
    except ExerciseError as error:
        if not strict:
            _tried[id] = "stopped by an error"
        print(f"Exercise {id}: {error}")
        raise
    if not strict:
        _tried[id] = verdict.status
    text = f"Exercise {id}: {verdict.status}. {verdict.feedback}".rstrip()
    print(text)
    if verdict.status != "correct":
        print(f'For the first of {len(exercise.hints)} hints: exercises.hint("{id}")')
        if strict:
            raise ExerciseError(text)


def judge(id, answer):
    """Return the Verdict on an answer and print nothing: for tests, and for a teacher's own scripts."""
    return _find(id).judge(answer)


def hint(id, n=1):
    """Print hint number n of an exercise; each says a little more than the one before, none says the answer.

    Raises ValueError for an unknown id or n < 1, TypeError where n is no integer.
    """
    hints = _find(id).hints
    number = integer("n", n)
    if number > len(hints):
        print(f"There are no more hints for {id}: hint {len(hints)} is the last one.")
    else:
        print(f"Hint {number} of {len(hints)}: {hints[number - 1]}")


def report():
    """Print a line for each exercise of the chapters that were tried in this kernel: its id and the last verdict."""
    if not _tried:
        print("No exercise has been checked in this kernel.")
    chapters = {_chapter(id) for id in _tried}
    for id in _exercises:
        if _chapter(id) in chapters:
            print(f"{id}: {_tried.get(id, 'not checked')}")


def _chapter(id):
    return id.partition(".")[0]


def _find(id):
    """Return the exercise of that name; an unknown one raises ValueError with the names that come close."""
    if not isinstance(id, str):
        raise TypeError(f"id={id!r} is not text: use an exercise's name, such as {next(iter(_exercises))!r}")
    if id not in _exercises:
        close = difflib.get_close_matches(id, _exercises, n=3, cutoff=0.5) or list(_exercises)
        raise ValueError(f"id={id!r} is not an exercise: did you mean {' or '.join(map(repr, close))}?")
    return _exercises[id]
