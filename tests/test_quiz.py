"""The quiz in Chromium, as a page of the book, a notebook and a page without scripts show it."""

import importlib.util
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from conftest import AXE, WIDTH

from cnnlib.quiz import RIGHT, WRONG, Choice, Question, quiz

FILTER_WEIGHTS = 3 * 3 * 3


def sample():
    return quiz(
        [
            Question(
                "How many weights has a 3x3 filter on an RGB image?",
                [
                    Choice(3 * 3, "That is one channel. The filter reads all three."),
                    Choice(FILTER_WEIGHTS, "One for each cell of the window in each channel.", correct=True),
                    Choice(FILTER_WEIGHTS + 1, "That counts the bias too. It is a parameter, not a weight."),
                ],
            ),
            Question(
                "A 28 by 28 image, kernel 5, `padding='valid'`: how wide is the output?",
                [
                    Choice(24, "`28 - 5 + 1`: the window fits in 24 places.", correct=True),
                    Choice(28, "That is `padding='same'`."),
                    Choice(23, "The window's first place counts too: add 1."),
                    Choice(
                        "`keras.layers.Conv2D(filters=6,kernel_size=(5,5),strides=(1,1),padding='valid')`",
                        f"That makes the layer, call it `{'first_convolution_' * 4}`. The question asks for its output.",
                    ),
                ],
            ),
            Question(
                "Is 2 < 3 & 4 > 1?",
                [Choice("<b>yes</b>", "Both hold.", correct=True), Choice("no", "Look at each one again.")],
            ),
        ]
    )


def theme_css():
    """The style sheets that the book's pages load, from the installed theme packages."""
    for package in ("pydata_sphinx_theme", "sphinx_book_theme"):
        folder = Path(importlib.util.find_spec(package).origin).parent / "theme" / package / "static" / "styles"
        sheet = folder / f"{package.replace('_', '-')}.css"
        assert sheet.is_file()
        yield sheet.as_uri()


@pytest.fixture
def show(open_page, tmp_path):
    """`show(quiz, host="book", dark=False, width=1280)`: a page with the quiz in the markup of that host."""

    def show(shown, host="book", dark=False, **options):
        theme = "dark" if dark else "light"
        links, root, style = "", "", "color:#ddd;background:#1e1e1e" if dark else "color:#222;background:#fff"
        content = shown._repr_html_()
        if host == "book":
            links = "".join(f'<link rel="stylesheet" href="{url}">' for url in theme_css())
            root, style = f'data-theme="{theme}"', ""
            content = f'<div class="cell_output"><div class="output text_html">{content}</div></div>'
            content = f'<div class="bd-content">{content}</div>'
        elif host == "colab":
            root = f'theme="{theme}"'
        path = tmp_path / f"{host}-{theme}.html"
        path.write_text(
            f'<!doctype html><html lang="en" {root}><head><meta charset="utf-8"><title>A quiz</title>'
            f'<meta name="viewport" content="width=device-width">{links}</head>'
            f'<body style="{style}"><main><h1>A quiz</h1>{content}</main></body></html>',
            encoding="utf-8",
        )
        return open_page(path, dark=dark, **options)

    return show


def explanations(page):
    return [why.inner_text() for why in page.locator(".why").all() if why.is_visible()]


def spoken(page):
    """All text in Chromium's own accessibility tree: the value of a CSS counter can be read nowhere else."""
    nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    texts = [n["name"]["value"] for n in nodes if not n["ignored"] and n["role"]["value"] == "StaticText"]
    return " ".join(" ".join(texts).split())


def choose(page, question, choice):
    """Click the label; the choice is found inside its question as assistive software finds it."""
    group = page.get_by_role("group", name=question.text.replace("`", ""))
    group.get_by_text(choice.text.replace("`", ""), exact=True).first.click()


def test_each_choice_shows_its_own_explanation_and_hides_the_others(show):
    shown = sample()
    page = show(shown)
    assert explanations(page) == []
    for question in shown.questions[:2]:
        page.reload()
        for choice in question.choices:
            choose(page, question, choice)
            verdict = RIGHT if choice.correct else WRONG
            assert explanations(page) == [f"{verdict} {choice.why.replace('`', '')}"]


def test_a_chosen_answer_does_not_touch_another_question_and_right_ones_are_counted(show):
    shown = sample()
    page = show(shown)
    assert "Right so far: 0 of 3" in spoken(page)
    choose(page, shown.questions[0], shown.questions[0].choices[1])
    choose(page, shown.questions[1], shown.questions[1].choices[1])
    assert len(explanations(page)) == 2
    assert "Right so far: 1 of 3" in spoken(page)
    choose(page, shown.questions[1], shown.questions[1].choices[0])
    assert "Right so far: 2 of 3" in spoken(page)


def test_keyboard_alone(show):
    shown = sample()
    page = show(shown)
    choices = shown.questions[0].choices
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    for choice in [*choices, choices[0]]:  # arrows go round
        assert len(explanations(page)) == 1
        assert explanations(page)[0].endswith(choice.why)
        assert page.locator("input:checked").evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")  # one stop a question
    page.keyboard.press("Space")
    assert len(explanations(page)) == 2


def test_screen_readers_get_groups_names_and_announced_explanations(show):
    shown = sample()
    page = show(shown)
    tree = page.locator(".cnnlib-quiz").aria_snapshot()
    why = shown.questions[0].choices[1].why
    assert 'group "1. How many weights has a 3x3 filter on an RGB image?"' in tree
    assert 'radio "27"' in tree
    assert why not in spoken(page), "an explanation is given away before a choice"
    choose(page, shown.questions[0], shown.questions[0].choices[1])
    assert why in spoken(page)
    # Only a live region that was there before its text is announced.
    assert page.locator(".why:visible").evaluate("e => e.parentElement.ariaLive") == "polite"
    assert page.locator(".answer").evaluate_all("all => all.every(e => getComputedStyle(e).display != 'none')")


def test_works_where_scripts_are_off(browser, tmp_path):
    shown = sample()
    path = tmp_path / "noscript.html"
    path.write_text(f'<!doctype html><meta charset="utf-8"><title>Quiz</title>{shown._repr_html_()}', "utf-8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    choose(page, shown.questions[0], shown.questions[0].choices[2])
    assert explanations(page) == [f"{WRONG} {shown.questions[0].choices[2].why}"]
    context.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("host", ["book", "colab"])
def test_axe_finds_nothing_serious(show, host, dark):
    from axe_playwright_python.sync_playwright import Axe

    shown = sample()
    page = show(shown, host, dark)
    for question in shown.questions:
        choose(page, question, question.choices[0])
    # axe would read the style sheets again by script, which a file:// page may not.
    violations = Axe().run(page, options=AXE).response["violations"]
    assert [v for v in violations if v["impact"] in ("serious", "critical")] == [], json.dumps(violations, indent=1)


def test_dark_page_keeps_the_quiz_dark(show):
    page = show(sample(), dark=True)
    sheet = page.locator(".text_html").evaluate("e => getComputedStyle(e).backgroundColor")
    assert sheet == "rgba(0, 0, 0, 0)"


@pytest.mark.parametrize("host", ["book", "colab"])
def test_phone_does_not_scroll_sideways(show, host):
    shown = sample()
    page = show(shown, host, width=390, touch=True)
    for question in shown.questions[:2]:
        choose(page, question, question.choices[-1])
    assert page.evaluate(WIDTH) <= 390
    heights = page.locator(".cnnlib-quiz label").evaluate_all("all => all.map(e => e.offsetHeight)")
    assert min(heights) >= 24, "too small for a finger"


def test_paper_shows_every_choice_with_its_explanation(show):
    shown = sample()
    page = show(shown)
    page.emulate_media(media="print")
    assert len(explanations(page)) == sum(len(question.choices) for question in shown.questions)
    assert not page.locator(".score").is_visible()


class Tags(HTMLParser):
    """Every tag with its attributes, and whether each one is closed in order."""

    def __init__(self, text):
        super().__init__()
        self.seen, self.open = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag != "input":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html_is_closed_scriptless_and_escaped():
    text = sample()._repr_html_()
    tags = Tags(text)
    assert tags.open == []
    assert {tag for tag, _ in tags.seen} == {
        *("div", "style", "fieldset", "legend", "input", "label", "p", "strong", "code", "span")
    }
    assert not [name for _, attributes in tags.seen for name in attributes if name.startswith("on")]
    assert "&lt;b&gt;yes&lt;/b&gt;" in text
    assert "2 &lt; 3 &amp; 4 &gt; 1" in text


def test_code_is_escaped_inside_backticks():
    html = quiz([Question("Is `a<b & c` code?", [Choice("`<i>`", "w", True), Choice("n", "w")])])._repr_html_()
    assert "<code>a&lt;b &amp; c</code>" in html
    assert "<code>&lt;i&gt;</code>" in html


def test_ids_are_unique_and_depend_on_the_text_alone():
    def ids(shown):
        return [attributes["id"] for _, attributes in Tags(shown._repr_html_()).seen if "id" in attributes]

    assert sample()._repr_html_() == sample()._repr_html_()
    other = quiz([*sample().questions[1:], *sample().questions[:1]])
    assert len(set(ids(sample()) + ids(other))) == 2 * (3 + 4 + 2)


def test_radio_groups_are_one_a_question():
    names = [attributes["name"] for tag, attributes in Tags(sample()._repr_html_()).seen if tag == "input"]
    assert [names.count(name) for name in dict.fromkeys(names)] == [3, 4, 2]


def test_text_form_asks_before_it_answers():
    text = repr(quiz([Question("Q?", [Choice(1, "one", True), Choice(2, "two")])]))
    assert text == "1. Q?\n   a) 1\n   b) 2\n\nAnswers\n1 a) Right. one\n1 b) Not yet. two"


A, B = Choice("a", "w", correct=True), Choice("b", "w")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: quiz([]), ValueError, "questions must hold at least one Question"),
        (lambda: quiz([A]), TypeError, "questions must be a sequence of Question"),
        (lambda: quiz(Question("q", [A, B])), TypeError, "questions must be a sequence of Question"),
        (lambda: Question("q", [A]), ValueError, "choices of 'q' must be 2 or more, got 1"),
        (lambda: Question("q", [A, "b"]), TypeError, "choices must be a sequence of Choice"),
        (lambda: Question("q", [B, Choice("c", "w")]), ValueError, "one with correct=True, got 0"),
        (lambda: Question("q", [A, Choice("c", "w", True)]), ValueError, "one with correct=True, got 2"),
        (lambda: Question("q", [A, Choice(" `a` ", "w")]), ValueError, "must differ, got a more than once"),
        (
            lambda: Question("q", [Choice(28 - 4, "w", True), Choice("24", "w")]),
            ValueError,
            "must differ, got 24 more than once",
        ),
        (lambda: Question(" ", [A, B]), ValueError, "text must not be empty"),
        (lambda: Question("a `b", [A, B]), ValueError, "text must close each backtick"),
        (lambda: Choice("a", " \n"), ValueError, "why must not be empty"),
        (lambda: Choice("", "w"), ValueError, "text must not be empty"),
        (lambda: Choice("a", None), TypeError, "why must be a string, got None"),
        (lambda: Choice(True, "w"), TypeError, "text must be a string"),
        (lambda: Choice("a", "w", correct=1), TypeError, "correct must be True or False, got 1"),
    ],
)
def test_mistakes_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
