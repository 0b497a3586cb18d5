"""A short quiz that works wherever its HTML is shown: built page, JupyterLab, VS Code, Colab.

There is no script in it and no kernel behind it. Each choice is a native radio button, and a rule of CSS
shows the explanation of the chosen one. Colours are the host's own (`currentColor`), light or dark.

    quiz([
        Question("A 3x3 filter on an RGB image: how many weights?", [
            Choice(27, "3·3·3, one for each cell of the window in each channel.", correct=True),
            Choice(9, "That is one channel. The filter reads all three."),
        ]),
    ])
"""

import hashlib
import html
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

RIGHT, WRONG = "Right.", "Not yet."


@dataclass(frozen=True)
class Choice:
    """One answer to choose from, and what to say to the learner who chose it.

    Args:
        text: what the choice says, or a number. Text between `backticks` is shown as code.
        why: why it is right or wrong; never empty.
        correct: whether it is the right answer.

    Raises:
        TypeError: `text` is neither a string nor a number, `why` is no string, `correct` is no bool.
        ValueError: `text` or `why` is empty, or has a backtick without its partner.
    """

    text: str | Real
    why: str
    correct: bool = False

    def __post_init__(self):
        """Check the arguments and keep them as tidy strings."""
        if isinstance(self.text, Real) and not isinstance(self.text, bool):
            object.__setattr__(self, "text", str(self.text))
        object.__setattr__(self, "text", _tidy("text", self.text))
        object.__setattr__(self, "why", _tidy("why", self.why))
        if not isinstance(self.correct, bool):
            raise TypeError(f"correct must be True or False, got {self.correct!r}")


@dataclass(frozen=True)
class Question:
    """A question with two or more choices, exactly one of them correct; they are shown in the order given.

    Choices are often computed from likely mistakes, and two mistakes can give one number: that is refused
    here, for the learner would see the same answer twice with two verdicts.

    Raises:
        TypeError: `text` is no string, or `choices` is not a sequence of Choice.
        ValueError: `text` is empty, there are fewer than two choices, not exactly one is correct, or two
            look alike.
    """

    text: str
    choices: Sequence[Choice]

    def __post_init__(self):
        """Check that the question can be answered in one way only."""
        object.__setattr__(self, "text", _tidy("text", self.text))
        object.__setattr__(self, "choices", _tuple_of(Choice, "choices", self.choices))
        if len(self.choices) < 2:
            raise ValueError(f"choices of {self.text!r} must be 2 or more, got {len(self.choices)}")
        correct = sum(choice.correct for choice in self.choices)
        if correct != 1:
            raise ValueError(f"choices of {self.text!r} must hold one with correct=True, got {correct}")
        shown = [choice.text.replace("`", "") for choice in self.choices]
        twice = sorted({text for text in shown if shown.count(text) > 1})
        if twice:
            raise ValueError(f"choices of {self.text!r} must differ, got {', '.join(twice)} more than once")


@dataclass(frozen=True, repr=False)
class Quiz:
    """Questions that show themselves as HTML in a notebook or page, and as text in a terminal."""

    questions: Sequence[Question]

    def __post_init__(self):
        """Check that there is something to ask."""
        object.__setattr__(self, "questions", _tuple_of(Question, "questions", self.questions))
        if not self.questions:
            raise ValueError("questions must hold at least one Question, got none")

    def __repr__(self):
        """Questions first and the answers after them, for a host that shows no HTML."""
        asked, answered = [], ["Answers"]
        for number, question in enumerate(self.questions, 1):
            asked.append(f"{number}. {question.text}")
            for letter, choice in zip("abcdefghijklmnopqrstuvwxyz", question.choices, strict=False):
                asked.append(f"   {letter}) {choice.text}")
                answered.append(f"{number} {letter}) {_verdict(choice)} {choice.why}")
        return "\n".join([*asked, "", *answered])

    def _repr_html_(self):
        """Plain HTML and one scoped style; ids come from the text, so one quiz is always the same bytes."""
        name = "quiz-" + hashlib.sha256(repr(self).encode()).hexdigest()[:10]
        fields = [_fieldset(f"{name}-{i}", i, question) for i, question in enumerate(self.questions, 1)]
        return (
            '<div class="cnnlib-quiz tex2jax_ignore mathjax_ignore" role="group" aria-label="Quiz">'
            f"<style>{_STYLE}</style>{''.join(fields)}"
            f'<p class="score">Right so far: <span></span> of {len(self.questions)}</p></div>'
        )


def quiz(questions):
    """Make a quiz; as the last line of a cell it is shown.

    Args:
        questions: a sequence of Question.

    Returns:
        A Quiz. Show a quiz once a page: its ids are made from its text.

    Raises:
        TypeError: `questions` is not a sequence of Question.
        ValueError: there is no question.
    """
    return Quiz(questions)


def _tidy(name, text):
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a string, got {text!r}")
    text = " ".join(text.split())
    if not text:
        raise ValueError(f"{name} must not be empty, got ''")
    if text.count("`") % 2:
        raise ValueError(f"{name} must close each backtick that it opens, got {text!r}")
    return text


def _tuple_of(kind, name, items):
    if not isinstance(items, Sequence) or not all(isinstance(item, kind) for item in items):
        raise TypeError(f"{name} must be a sequence of {kind.__name__}, got {items!r}")
    return tuple(items)


def _verdict(choice):
    return RIGHT if choice.correct else WRONG


def _inline(text):
    """Escape everything, and turn each second part between backticks into code."""
    parts = [html.escape(part) for part in text.split("`")]
    parts[1::2] = [f"<code>{part}</code>" for part in parts[1::2]]
    return "".join(parts)


def _fieldset(name, number, question):
    rows = "".join(_row(name, f"{name}-{i}", choice) for i, choice in enumerate(question.choices, 1))
    return f"<fieldset><legend>{number}. {_inline(question.text)}</legend>{rows}</fieldset>"


def _row(name, key, choice):
    kind = "right" if choice.correct else "wrong"
    # The live region is always there and its content comes and goes: that is what screen readers announce.
    # Without the data attribute JupyterLab would take the arrow keys for itself.
    return (
        f'<div class="choice"><input type="radio" id="{key}" name="{name}" class="{kind}"'
        ' autocomplete="off" data-lm-suppress-shortcuts="true">'
        f'<label for="{key}">{_inline(choice.text)}</label>'
        f'<div class="answer" aria-live="polite"><p class="why {kind}">'
        f"<strong>{_verdict(choice)}</strong> {_inline(choice.why)}</p></div></div>"
    )


# The two hues reach 3:1 on white and on near-black, and only underline what the words say.
# The rule with :has(): the book's dark theme lays HTML output on a light sheet, which a quiz does not need.
_STYLE = """
.cnnlib-quiz { counter-reset: right; max-width: 46rem; line-height: 1.5; overflow-wrap: anywhere; }
.cnnlib-quiz fieldset {
  border: 1px solid color-mix(in srgb, currentColor 35%, transparent); border-radius: 6px;
  margin: 0 0 1rem; padding: .7rem .9rem; min-width: 0; break-inside: avoid;
}
.cnnlib-quiz legend {
  float: left; width: 100%; box-sizing: border-box; margin: 0 0 .4rem; padding: 0;
  font-size: 1em; font-weight: 600; line-height: inherit; color: inherit;
}
.cnnlib-quiz .choice {
  clear: left; display: grid; grid-template-columns: auto minmax(0, 1fr); column-gap: .6rem;
}
.cnnlib-quiz input { width: 1.1em; height: 1.1em; margin: .5em 0 0; cursor: pointer; }
.cnnlib-quiz input.right:checked { counter-increment: right; }
.cnnlib-quiz input:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
.cnnlib-quiz label { margin: 0; padding: .25em 0; cursor: pointer; }
.cnnlib-quiz .answer { grid-column: 2; }
.cnnlib-quiz .why {
  display: none; margin: .1rem 0 .5rem; padding: .35rem .7rem; border-left: 4px solid #c2620c;
  background: color-mix(in srgb, currentColor 7%, transparent);
}
.cnnlib-quiz .why.right { border-left-color: #2f80c2; }
.cnnlib-quiz input:checked ~ .answer .why { display: block; }
.cnnlib-quiz code {
  font-size: .9em; color: inherit; padding: 0 .25em; border: 0;
  background: color-mix(in srgb, currentColor 10%, transparent);
}
.cnnlib-quiz .score { margin: 0; font-weight: 600; }
.cnnlib-quiz .score span::before { content: counter(right); }
html[data-theme="dark"] .bd-content div.cell_output .text_html:has(> .cnnlib-quiz.cnnlib-quiz) {
  background: none; color: inherit; padding: 0;
}
@media print { .cnnlib-quiz .why { display: block; } .cnnlib-quiz .score { display: none; } }
"""
