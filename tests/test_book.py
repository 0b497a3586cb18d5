"""The build is red when a chapter is broken, and a page that was not executed does not pass."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent

PAGE = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# A page

```{code-cell} ipython3
%s
```

```{code-cell} ipython3
from cnnlib.stamp import stamp

stamp()
```
"""


# A line that the kernel sends in two pieces.
PIECES = "import time\n\nprint(1, end=' ', flush=True)\ntime.sleep(0.5)\nprint('one')"

# Pages that a build must refuse, each with words of the warning that says why.
BAD = {
    "without-a-stamp": (PAGE.replace("stamp()\n", "1\n") % "1", "stamp"),
    "not-executed": (
        PAGE.replace("kernelspec:", "mystnb:\n  execution_mode: 'off'\nkernelspec:") % "1",
        "not executed",
    ),
    "plain-ipywidget": (PAGE % "import ipywidgets\n\nipywidgets.IntSlider()", "dead on this page"),
    "broken-link": ((PAGE % "1").replace("# A page", "# A page\n\n[gone](99-gone.md)"), "99-gone"),
}


def build(folder, pages, url=""):
    """Build a book of these pages (their texts by name) with the course's own configuration; return (succeeded, log)."""
    (folder / "book").mkdir(exist_ok=True)
    for name, text in pages.items():
        (folder / "book" / f"{name}.md").write_text(text)
    root, *others = pages
    chapters = "".join(f"  - file: book/{name}\n" for name in others)
    (folder / "_toc.yml").write_text(
        f"format: jb-book\nroot: book/{root}\n" + (f"chapters:\n{chapters}" if others else "")
    )
    config = (ROOT / "_config.yml").read_text()
    (folder / "_config.yml").write_text(re.sub(r"^  url: .*$", f'  url: "{url}"', config, flags=re.MULTILINE))
    shutil.copy(ROOT / "book" / "references.bib", folder / "book")
    done = subprocess.run(
        [BIN / "jupyter-book", "build", folder, "-W", "--keep-going"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1"},
    )
    return done.returncode == 0, done.stdout + done.stderr


def html(folder):
    return (folder / "_build" / "html" / "book" / "page.html").read_text(encoding="utf-8")


def test_a_good_page_says_when_it_ran_and_new_code_is_executed_again(tmp_path):
    fine, log = build(tmp_path, {"page": PAGE % PIECES})
    assert fine, log
    good = html(tmp_path)
    assert re.search(r"This page was run on \d{4}-\d\d-\d\d without a data set, with Python .* It took \d+ s", good)
    assert ">1 one\n" in good and "colab" not in good.lower()  # no address, no button
    fine, log = build(tmp_path, {"page": PAGE % "print('two')"})
    assert fine and "two" in html(tmp_path) and "1 one" not in html(tmp_path)


def test_a_failing_cell_makes_the_build_red(tmp_path):
    fine, log = build(tmp_path, {"page": PAGE % "assert 1 + 1 == 3"})
    assert not fine and "AssertionError" in log


def test_a_failing_cell_makes_the_notebook_test_red(tmp_path):
    (tmp_path / "page.md").write_text(PAGE % "assert 1 + 1 == 3")
    subprocess.run(
        [sys.executable, "-m", "jupytext", "--to", "ipynb", "page.md"], cwd=tmp_path, check=True, capture_output=True
    )
    flags = re.search(r"^NBVAL := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    done = subprocess.run([BIN / "pytest", *flags, "page.ipynb"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and "1 failed" in done.stdout, done.stdout


def test_bad_pages_are_refused_each_for_its_own_reason(tmp_path):
    """One warning fails a build, so one build tells of them all: each page has its warning, a good page has none."""
    fine, log = build(tmp_path, {"page": PAGE % "1"} | {name: text for name, (text, _) in BAD.items()})
    warnings = re.findall(r"/book/([\w-]+)\.md.*WARNING: (.*)", log)
    assert not fine and sorted(name for name, _ in warnings) == sorted(BAD), log
    for name, told in warnings:
        assert BAD[name][1] in told, log


def every_file_counts(digest, folder, names):
    """Write files one after the other, each twice: a digest must differ every time."""
    digests = [digest(folder)]
    for name in names:
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        for text in ("old", "new"):
            file.write_text(text)
            digests.append(digest(folder))
    return len(set(digests)) == len(digests)


def test_what_a_cell_reads_is_part_of_the_caches_key(tmp_path):
    from cnnlib.sphinx_ext import digest_of_sources

    names = ("code.py", "widgets/strings.json", "results/net.json", "results/weights/net.json")
    assert every_file_counts(digest_of_sources, tmp_path, names)
    before = digest_of_sources(tmp_path)
    (tmp_path / "widgets" / "pooling.js").touch()  # reaches the page by another way
    assert digest_of_sources(tmp_path) == before


def test_scripts_and_the_builds_own_code_make_pages_anew(tmp_path):
    from cnnlib.sphinx_ext import digest_of_page_code

    names = ("sphinx_ext.py", "glossary.py", "widgets/engine.js", "widgets/mount.js")
    assert every_file_counts(digest_of_page_code, tmp_path, names)


def test_marks_stay_beside_their_formulas():
    from docutils import nodes

    from cnnlib.sphinx_ext import Typography

    parts = [nodes.emphasis("", "p"), nodes.Text(", "), nodes.emphasis("", "q"), nodes.Text(", "), nodes.math("", "x")]
    paragraph = nodes.paragraph(
        "", "", *parts, nodes.Text(", "), nodes.math("", "y"), nodes.Text(" ("), nodes.math("", "z"), nodes.Text(").")
    )
    before = paragraph.astext()
    for formula in list(paragraph.findall(nodes.math)):
        Typography._hold(None, formula)
    assert paragraph.astext() == before == "p, q, x, y (z)."
    assert [held.astext() for held in paragraph.findall(nodes.inline)] == ["x,", "(z)."]


def test_where_cifar10_lies_is_part_of_the_caches_key(tmp_path, monkeypatch):
    from cnnlib.data.cifar10 import FILES, FOLDER
    from cnnlib.sphinx_ext import execution_key

    monkeypatch.delenv("CNNLIB_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    without = execution_key()
    folder = tmp_path / "datasets" / FOLDER
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).touch()
    assert execution_key() != without
    monkeypatch.setenv("CNNLIB_DATA", str(tmp_path / "gone"))
    assert execution_key() != without  # and no error: a page that needs no data builds


def test_the_caches_key_needs_no_tensorflow():
    code = "import sys, cnnlib.sphinx_ext as ext; ext.execution_key(); print('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_with_an_address_the_colab_button_opens_the_notebook(tmp_path):
    fine, log = build(tmp_path, {"page": PAGE % "1"}, url="https://github.com/owner/name")
    assert fine, log
    links = set(re.findall(r'href="(https://[^"]*(?:colab|github)[^"]*)"', html(tmp_path)))
    assert "https://colab.research.google.com/github/owner/name/blob/main/notebooks/page.ipynb" in links
    own = [link.split("/blob/main/")[1] for link in links if "/blob/main/" in link]
    assert own == ["notebooks/page.ipynb"], links


def test_no_training_cell_leaves_keras_to_choose_xla():
    """On a GPU it would: `training.fit` says no, and so must a cell that compiles its net itself before it calls `fit`."""
    code = "^```{code-cell}.*?^```$"
    cells = [
        cell for page in (ROOT / "book").glob("*.md") for cell in re.findall(code, page.read_text("utf-8"), re.M | re.S)
    ]
    own = [cell for cell in cells if ".compile(" in cell and "training.fit(" in cell]
    assert own and all("jit_compile=False" in cell or "run_eagerly=True" in cell for cell in own)


@pytest.mark.parametrize("page", sorted((ROOT / "book").glob("*.md")), ids=lambda page: page.stem)
def test_the_link_of_every_page_leads_to_a_notebook_in_the_tree(page):
    from cnnlib.sphinx_ext import link_notebooks

    theme_gives = f"https://colab.research.google.com/github/owner/name/blob/main/book/{page.name}"
    context = {"header_buttons": [{"type": "group", "buttons": [{"text": "Colab", "url": theme_gives}]}]}
    link_notebooks(None, f"book/{page.stem}", "page.html", context, None)
    target = context["header_buttons"][0]["buttons"][0]["url"].split("/blob/main/")[1]
    if "kernelspec" in page.read_text(encoding="utf-8"):  # the theme puts a button on no other page
        assert (ROOT / target).is_file(), target
