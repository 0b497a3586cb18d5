"""The cheat sheet of the built book fits one sheet of A4, and what stands on it can be read."""

import re

import pytest
from test_pages import built

SMALLEST = 8  # CSS pixels, which are 6 points
PRINTED = 718  # CSS pixels: A4 without the margins of the sheet


@pytest.fixture
def sheet(open_page):
    tab = open_page(built("book/cheat-sheet"), width=PRINTED)
    tab.wait_for_function("document.querySelectorAll('mjx-container').length > 20", timeout=15000)
    tab.emulate_media(media="print")
    return tab


def pages(pdf):
    """How many pages a PDF has: each has an object of its own, which Chromium does not compress."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def test_it_prints_on_one_sheet(sheet):
    assert pages(sheet.pdf(format="A4", prefer_css_page_size=True)) == 1
    assert pages(sheet.pdf(format="A4", margin=dict.fromkeys(("top", "right", "bottom", "left"), "10mm"))) == 1


def test_another_page_takes_more_sheets(open_page):
    """The count can tell one page from several, and the rules of the sheet leave other pages alone."""
    assert pages(open_page(built("book/data-card")).pdf(format="A4")) > 1


def test_paper_shows_every_section_and_no_code(sheet):
    headings = [heading for heading in sheet.locator("#cheat-sheet h2").all() if heading.is_visible()]
    assert len(headings) == 4
    assert not [cell for cell in sheet.locator("#cheat-sheet .cell_input").all() if cell.is_visible()]
    tables = sheet.locator("#cheat-sheet table").all()
    assert len(tables) == 6 and all(table.is_visible() for table in tables)


def test_the_print_is_not_too_small(sheet):
    sizes = sheet.evaluate(
        "[...document.querySelectorAll('#cheat-sheet :is(td, th, p)')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert len(sizes) > 50 and min(sizes) >= SMALLEST


def test_no_table_is_cut_off_on_paper(sheet):
    cut = sheet.evaluate(
        """() => {
          const box = (e) => e.closest(".pst-scrollable-table-container, .output, .cell_output") ?? e.parentElement;
          return [...document.querySelectorAll("#cheat-sheet table")]
            .filter(e => e.getBoundingClientRect().right > box(e).getBoundingClientRect().right + 1)
            .map(e => e.textContent.trim().slice(0, 60));
        }"""
    )
    assert not cut
