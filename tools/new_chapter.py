"""Begin a chapter from the template. Run by `make new-chapter NAME=17-mobilenet TITLE="MobileNet"`."""

import re
import sys
from pathlib import Path

from set_repo import ROOT, address, setup_cell

TEMPLATE = Path(__file__).with_name("chapter_template.md")


def new_chapter(name: str, title: str, root: Path = ROOT) -> Path:
    """Write book/NAME.md and return its path; ValueError for a bad name, FileExistsError for a number that is taken."""
    if not re.fullmatch(r"\d{2}-[a-z0-9-]+", name):
        raise ValueError(f"NAME={name!r} is no chapter name; valid: two digits, then words, as in 17-mobilenet")
    if not title:
        raise ValueError(f"TITLE={title!r} is empty; give the chapter's heading")
    page = root / "book" / f"{name}.md"
    for taken in page.parent.glob(f"{name[:2]}-*.md"):
        raise FileExistsError(
            f"NAME={name!r}: number {name[:2]} is taken by {taken.name}; rename that one first, or take another"
        )
    text = TEMPLATE.read_text(encoding="utf-8").format(title=title, setup=setup_cell(address(root)))
    with page.open("x", encoding="utf-8") as file:
        file.write(text)
    return page


if __name__ == "__main__":
    try:
        page = new_chapter(*sys.argv[1:3])
    except (ValueError, FileExistsError) as error:
        sys.exit(str(error))
    print(
        f"Wrote {page}. Add `- file: book/{page.stem}` to _toc.yml and a row to the table in book/index.md, then: make notebooks book"
    )
