"""The glossary: its entries, where they lead, and the links that a build puts into the chapters' text."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from docutils import nodes

from cnnlib.glossary import Linker, Term, link_terms, read_terms

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
GLOSSARY = ROOT / "book" / "glossary.md"
TERMS = read_terms(GLOSSARY.read_text(encoding="utf-8"))

SMALL = """# Glossary

<a id="term-kernel"></a>**kernel**, <span lang="zh-Hans">卷积核</span>: The weights that move. [Page: Here](page.md#here)

<a id="term-kernel-size"></a>**kernel size**, <span lang="zh-Hans">卷积核大小</span>: Rows and columns. [Page](page.md)

<a id="term-bias"></a>**bias**, <span lang="zh-Hans">偏置</span>: What is "added". [Page](page.md)

<a id="term-relu"></a>**ReLU**, <span lang="zh-Hans">线性整流函数</span>: Keeps what is above 0. [Page](page.md)

<a id="term-padding"></a>**padding** (zero padding), <span lang="zh-Hans">填充</span>: Cells around. [Page](page.md)
"""
PAGE = """# A page about a kernel

## Here

`kernel`, $kernel$, [a kernel](glossary.md#term-bias), <a href="#here">the kernel of this page</a> and | are no place for a link.

| kernel | bias |
|---|---|
| a kernel | a bias |

```
kernel bias
```

Kernels have a kernel size. *Zero padding* and a second kernel, subkernel, kernel-like. See *the bias of old books* and the biases. ReLU, not relu.
"""


# --- the course's own glossary ----------------------------------------------------------------------------------


def test_it_has_the_courses_terms_in_both_languages():
    assert len(TERMS) >= 90
    assert all(re.search("[\u4e00-\u9fff]", term.chinese) for term in TERMS)
    names = {term.term: term.chinese for term in TERMS}
    expected = {
        "convolution": "卷积",
        "kernel": "卷积核",
        "receptive field": "感受野",
        "padding": "填充",
        "stride": "步长",
    }
    assert all(names[term].startswith(chinese) for term, chinese in expected.items())
    assert "批标准化" in names["batch normalisation"] and "批归一化" in names["batch normalisation"]


def test_entries_are_in_order_and_in_the_right_section():
    text = GLOSSARY.read_text(encoding="utf-8")
    assert [term.term.lower() for term in TERMS] == sorted(term.term.lower() for term in TERMS)
    for heading, entries in re.findall(r"^## (.+?)$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL):
        first, last = heading[0], heading[-1]
        for term in re.findall(r"</a>\*\*(.)", entries):
            assert first <= term.upper() <= last, (heading, term)


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.anchor)
def test_an_entry_is_one_plain_sentence(term):
    assert term.meaning.endswith(".") and term.meaning.count(". ") == 0 and 20 < len(term.meaning) < 220
    assert term.meaning[0].isupper() and not re.search(r"[*`<\[]", term.meaning)
    assert term.anchor == "term-" + re.sub(r"[^a-z0-9]+", "-", term.term.lower())


def test_every_link_leads_to_a_heading_that_is_there():
    links = re.findall(
        r"\[([^\]]+)\]\(([\w-]+\.md)(?:#([^)]*))?\)$", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(links) == len(TERMS)
    for text, file, slug in links:
        page = (ROOT / "book" / file).read_text(encoding="utf-8")
        title = re.search("^# (.+)$", page, re.MULTILINE)[1]
        assert text.split(": ")[0] == title, (text, title)
        headings = {github_slug(heading): heading for heading in re.findall("^#{2,3} (.+)$", page, re.MULTILINE)}
        if slug:
            assert headings[slug].replace("`", "") == text.removeprefix(f"{title}: "), text


def github_slug(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


# --- reading ------------------------------------------------------------------------------------------------------


def test_entries_are_read():
    terms = read_terms(SMALL)
    assert terms[0] == Term("term-kernel", "kernel", (), "卷积核", "The weights that move.")
    assert terms[4].words == ("padding", "zero padding")


@pytest.mark.parametrize(
    "line, words",
    [
        ('<a id="term-x"></a>**x**: No Chinese. [Page](page.md)', "not an entry"),
        ('<a id="term-x"></a>**x**, <span lang="zh-Hans">叉</span>: No link.', "not an entry"),
        (
            '<a id="term-bias"></a>**x**, <span lang="zh-Hans">叉</span>: Y. [Page](page.md)',
            "'term-bias' stands in .* twice",
        ),
        (
            '<a id="term-x"></a>**x** (bias), <span lang="zh-Hans">叉</span>: Y. [Page](page.md)',
            "'bias' stands in .* twice",
        ),
    ],
)
def test_a_wrong_entry_is_named(line, words):
    with pytest.raises(ValueError, match=words):
        read_terms(SMALL + "\n" + line + "\n")


# --- linking ------------------------------------------------------------------------------------------------------


def linked(*children, parent=None):
    """The [word, address] pairs that one paragraph of these nodes gets."""
    paragraph = nodes.paragraph("", "", *children)
    document = parent or nodes.section()
    document += paragraph
    link_terms(document, Linker(read_terms(SMALL)), "glossary.html")
    found = [
        (node.astext(), node["refuri"])
        for node in document.findall(nodes.reference)
        if "cnnlib-term" in node["classes"]
    ]
    return found, paragraph.astext()


def test_the_first_place_only_whole_words_and_the_longest_term():
    text = "Kernels have a kernel size; a kernel has biases. subkernel kernel-like ReLU relu Padding zero padding"
    found, after = linked(nodes.Text(text))
    assert found == [
        ("Kernels", "glossary.html#term-kernel"),
        ("kernel size", "glossary.html#term-kernel-size"),
        ("biases", "glossary.html#term-bias"),
        ("ReLU", "glossary.html#term-relu"),
        ("Padding", "glossary.html#term-padding"),
    ]
    assert after == text  # no letter is lost
    assert linked(nodes.Text("relu, subkernel, kernel-like, non-padding"))[0] == []


def test_what_is_no_prose_stays():
    for node in (
        nodes.literal("", "kernel"),
        nodes.math("", "kernel"),
        nodes.reference("", "kernel", refuri="x"),
        nodes.emphasis("", "the kernel of old papers"),
    ):
        assert linked(node)[0] == []
    raw = [nodes.raw("", text, format="html") for text in ('<a href="#x">', "</a>", "<b>")]
    assert linked(raw[0], nodes.Text("kernel"), raw[1], nodes.Text(" bias"))[0] == [("bias", "glossary.html#term-bias")]
    assert linked(raw[2], nodes.Text("kernel"))[0] == [("kernel", "glossary.html#term-kernel")]
    assert linked(nodes.Text("kernel"), parent=nodes.entry())[0] == []
    assert linked(nodes.Text("kernel"), parent=nodes.citation())[0] == []
    assert linked(nodes.emphasis("", "Kernel"), nodes.strong("", "a bias"))[0] == [
        ("Kernel", "glossary.html#term-kernel"),
        ("bias", "glossary.html#term-bias"),
    ]


def test_a_word_that_means_something_else_on_a_page_is_not_linked_there():
    span = [nodes.raw("", text, format="html") for text in ("<span>", "</span>")]
    page = nodes.section(
        "", nodes.paragraph("", "", nodes.Text("A "), span[0], nodes.Text("kernel"), span[1], nodes.Text("."))
    )
    page += nodes.paragraph("", "A kernel of a system, a bias.")
    link_terms(page, Linker(read_terms(SMALL)), "glossary.html")
    assert [node.astext() for node in page.findall(nodes.reference)] == ["bias"]


def test_a_page_names_a_term_once_over_all_its_paragraphs():
    section = nodes.section(
        "", nodes.title("", "kernel"), nodes.paragraph("", "A kernel."), nodes.paragraph("", "A kernel, a bias.")
    )
    link_terms(section, Linker(read_terms(SMALL)), "glossary.html")
    assert [node.astext() for node in section.findall(nodes.reference)] == ["kernel", "bias"]
    assert not list(section[0].findall(nodes.reference))


def test_the_list_of_what_a_chapter_teaches_stays_and_later_lists_do_not():
    def bullets(text):
        return nodes.bullet_list("", nodes.list_item("", nodes.paragraph("", text)))

    page = nodes.section("", nodes.title("", "A page"), bullets("A kernel and a bias."))
    page += nodes.section("", nodes.title("", "Here"), bullets("A bias."))
    document = nodes.document(None, None)
    document += page
    link_terms(document, Linker(read_terms(SMALL)), "glossary.html")
    assert [node.parent.astext() for node in document.findall(nodes.reference)] == ["A bias."]


# --- a build ------------------------------------------------------------------------------------------------------


def build(folder, **pages):
    """Build a book of these pages with the course's own configuration; return (succeeded, log)."""
    (folder / "book").mkdir(exist_ok=True)
    for name, text in pages.items():
        (folder / "book" / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: book/page\nchapters:\n  - file: book/glossary\n")
    shutil.copy(ROOT / "_config.yml", folder)
    shutil.copy(ROOT / "book" / "references.bib", folder / "book")
    done = subprocess.run(
        [BIN / "jupyter-book", "build", folder, "-W", "--keep-going"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
    )
    return done.returncode == 0, done.stdout + done.stderr


def links(folder):
    page = (folder / "_build" / "html" / "book" / "page.html").read_text(encoding="utf-8")
    return re.findall(r'<a class="cnnlib-term[^"]*" href="([^"]*)" title="([^"]*)">(?:<[^>]*>)?([^<]*)<', page)


def test_a_built_page_links_to_the_glossary_and_a_new_sentence_reaches_it(tmp_path):
    fine, log = build(tmp_path, page=PAGE, glossary=SMALL)
    assert fine, log
    assert links(tmp_path) == [
        ("glossary.html#term-kernel", "The weights that move.", "Kernels"),
        ("glossary.html#term-kernel-size", "Rows and columns.", "kernel size"),
        ("glossary.html#term-padding", "Cells around.", "Zero padding"),
        ("glossary.html#term-bias", "What is &quot;added&quot;.", "biases"),
        ("glossary.html#term-relu", "Keeps what is above 0.", "ReLU"),
    ]
    glossary = (tmp_path / "_build" / "html" / "book" / "glossary.html").read_text(encoding="utf-8")
    assert 'id="term-kernel"' in glossary and "cnnlib-term" not in glossary.split("</head>")[1]
    assert 'href="page.html#here"' in glossary  # a heading of another page
    page = (tmp_path / "_build" / "html" / "book" / "page.html").read_text(encoding="utf-8")
    assert 'href="glossary.html#term-bias"' in page  # a link by hand
    fine, log = build(tmp_path, glossary=SMALL.replace("Rows and columns.", "How many rows."))
    assert fine, log
    assert ("glossary.html#term-kernel-size", "How many rows.", "kernel size") in links(tmp_path)


def test_a_link_to_a_term_or_a_heading_that_is_not_there_makes_the_build_red(tmp_path):
    for target in ("glossary.md#term-gone", "page.md#gone"):
        fine, log = build(tmp_path, page=f"# A page\n\n[x]({target})\n", glossary=SMALL.replace("#here", ""))
        assert not fine and "gone" in log
