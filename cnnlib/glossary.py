"""The glossary's terms, read from book/glossary.md, and the links from the chapters' words to them (for the book build).

An entry of the glossary is one paragraph of plain Markdown:

    <a id="term-padding"></a>**padding** (zero padding), <span lang="zh-Hans">填充</span>: Its sentence. [Link](page.md)

The first place where a page's own text names a term becomes a link, with the sentence as its title. A page that uses the
word for something else says so once, `<span>unit</span>`, and has no link for it from there on.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes

DOCNAME = "book/glossary"
_ENTRY = re.compile(
    r'<a id="(?P<anchor>term-[a-z0-9-]+)"></a>\*\*(?P<term>[^*]+)\*\*(?: \((?P<others>[^)]+)\))?, '
    r'<span lang="zh-Hans">(?P<chinese>[^<]+)</span>: (?P<meaning>[^\[]+) \[[^\]]+\]\([^)]+\)'
)
# What a term may stand in, from its paragraph down: not in links, code, formulas or pictures.
_PLAIN = (nodes.paragraph, nodes.emphasis, nodes.strong)
_ELSEWHERE = (nodes.entry, nodes.caption, nodes.legend, nodes.citation, nodes.footnote)  # paragraphs that are no prose


@dataclass(frozen=True)
class Term:
    """One entry: its anchor, the term, other words for it, its Chinese name and its sentence as plain text."""

    anchor: str
    term: str
    others: tuple[str, ...]
    chinese: str
    meaning: str

    @property
    def words(self) -> tuple[str, ...]:
        """The term and the other words for it."""
        return (self.term, *self.others)


def read_terms(text: str) -> list[Term]:
    """Return the entries of the glossary's text, in their order.

    Raises ValueError for a line that begins like an entry and is none, and for an anchor or a word that comes twice.
    """
    terms, seen = [], set()
    for line in text.splitlines():
        if not line.startswith("<a id="):
            continue
        found = _ENTRY.fullmatch(line)
        if not found:
            raise ValueError(f"{line[:60]!r} is not an entry of the glossary: see cnnlib/glossary.py for its form")
        others = tuple(found["others"].split(", ")) if found["others"] else ()
        term = Term(found["anchor"], found["term"], others, found["chinese"], found["meaning"].replace("`", ""))
        for name in (term.anchor, *term.words):
            if name in seen:
                raise ValueError(f"{name!r} stands in the glossary twice")
            seen.add(name)
        terms.append(term)
    return terms


class Linker:
    """Finds terms in texts: whole words, the longest first, capital or small at the start, singular or plural."""

    def __init__(self, terms: list[Term]):
        self._by_word = {word.lower(): term for term in terms for word in term.words}
        words = sorted((word for term in terms for word in term.words), key=len, reverse=True)
        # A word with a capital, such as ReLU, is looked for as it stands; others may begin a sentence.
        forms = (f"[{w[0].upper()}{w[0]}]{re.escape(w[1:])}" if w[0].islower() else re.escape(w) for w in words)
        self._pattern = re.compile(rf"(?<![\w-])({'|'.join(forms)})(?:s|es)?(?![\w-])") if words else None

    def find(self, text: str, known: set[str]) -> list[tuple[int, int, Term]]:
        """Return (start, end, term) of each term in the text whose anchor is not in `known` yet, and add it there."""
        found = []
        for match in self._pattern.finditer(text) if self._pattern else ():
            term = self._by_word[match[1].lower()]
            if term.anchor not in known:
                known.add(term.anchor)
                found.append((match.start(), match.end(), term))
        return found

    def is_term(self, text: str) -> bool:
        """Whether the text is a term and nothing else."""
        return bool(self._pattern and self._pattern.fullmatch(text))


def link_terms(doctree, linker: Linker, address: str) -> None:
    """Make the first place in the page's paragraphs where it names a term a link to `address`, the glossary's page.

    Headings, tables, links, code, formulas and the list of what a chapter teaches stay as they are.
    """
    known: set[str] = set()
    for paragraph in list(doctree.findall(nodes.paragraph)):
        if isinstance(paragraph.parent, _ELSEWHERE) or _is_overview(paragraph):
            continue
        inside = ""  # the raw <a ...> or <span> whose end has not come yet
        for node in list(paragraph.findall()):
            if isinstance(node, nodes.raw):
                for end, name in re.findall(r"<(/?)(a|span)\b", node.astext()):
                    inside = "" if end else name
            elif isinstance(node, nodes.Text) and inside == "span":
                linker.find(node.astext(), known)
            elif isinstance(node, nodes.Text) and not inside and _is_plain(node, paragraph):
                # *Dropout* is a term, but the title of a paper stays as it is.
                if isinstance(node.parent, nodes.emphasis) and not linker.is_term(node.astext()):
                    continue
                _link(node, linker.find(node.astext(), known), address)


def _is_overview(paragraph) -> bool:
    """Whether it stands in a list before the page's first section: what will be learned, not yet the learning."""
    item = paragraph.parent
    return isinstance(item, nodes.list_item) and isinstance(item.parent.parent.parent, nodes.document)


def _is_plain(text, paragraph) -> bool:
    node = text.parent
    while isinstance(node, _PLAIN):
        if node is paragraph:
            return True
        node = node.parent
    return False


def _link(text, found, address) -> None:
    """Put links in place of what was found in a text node."""
    if not found:
        return
    whole, parts, at = text.astext(), [], 0
    for start, end, term in found:
        parts.append(nodes.Text(whole[at:start]))
        link = nodes.reference("", whole[start:end], refuri=f"{address}#{term.anchor}", internal=True)
        link["reftitle"], link["classes"] = term.meaning, ["cnnlib-term"]
        parts.append(link)
        at = end
    text.parent.replace(text, [*parts, nodes.Text(whole[at:])])


def add_slugs(app, doctree) -> None:
    """Let chapters link to an entry as to a heading, `glossary.md#term-padding`: MyST sees no anchors in raw HTML."""
    if app.env.docname == DOCNAME:
        slugs = app.env.metadata[DOCNAME].setdefault("myst_slugs", {})
        slugs.update((term.anchor, (0, term.anchor, term.term)) for term in _terms(app))


def add_links(app, doctree, docname) -> None:
    """Link the page's words, on every page but the glossary itself."""
    if docname != DOCNAME and DOCNAME in app.env.all_docs:
        if not hasattr(app, "cnnlib_linker"):
            app.cnnlib_linker = Linker(_terms(app))
        link_terms(doctree, app.cnnlib_linker, app.builder.get_relative_uri(docname, DOCNAME))


def _terms(app) -> list[Term]:
    return read_terms(Path(app.env.doc2path(DOCNAME)).read_text(encoding="utf-8"))
