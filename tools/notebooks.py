"""Make notebooks/*.ipynb from the chapters in book/ that have code. Run by `make notebooks`."""

import contextlib
import io
import re
from pathlib import Path

import jupytext
import nbformat
from jupytext.cli import jupytext as command_line

from set_repo import address

# What the book folds away or leaves out starts folded in a notebook too: quiz answers, for one.
FOLDED = {"setup", "hide-input", "hide-cell", "remove-input", "remove-cell"}
ROOT = Path(__file__).resolve().parent.parent
# A link to another page, in book/ and in notebooks/.
TO_PAGE = re.compile(r"\]\(([\w-]+)\.md(#[^)\s]*)?\)")
TO_NOTEBOOK = re.compile(r"\]\((?:[^)\s]*/book/)?([\w-]+)\.(?:ipynb|md)(#[^)\s]*)?\)")


def chapters(root: Path = ROOT) -> list[Path]:
    """The pages in book/ that are notebooks: those that name a kernel."""
    return [p for p in sorted((root / "book").glob("*.md")) if "kernelspec" in jupytext.read(p).metadata]


def make_pairs(root: Path = ROOT) -> None:
    """Write one notebook a chapter, without outputs, and remove notebooks whose chapter is gone."""
    pairs = {page: root / "notebooks" / f"{page.stem}.ipynb" for page in chapters(root)}
    for stale in set((root / "notebooks").glob("*.ipynb")) - set(pairs.values()):
        stale.unlink()
    names, away = {page.stem for page in pairs}, f"{address(root)}/blob/main" if address(root) else ".."

    def link(found):
        name, place = found[1], found[2] or ""
        return f"]({name}.ipynb{place})" if name in names else f"]({away}/book/{name}.md{place})"

    for page, notebook in pairs.items():
        # The pages' own links, so that text which has not changed is known again.
        change(notebook, lambda text: TO_NOTEBOOK.sub(r"](\1.md\2)", text))
        # --update keeps the ids of cells that have not changed; --sync would let file times decide.
        # In this process: to start one a page takes far longer than the work.
        with contextlib.redirect_stdout(io.StringIO()):
            failed = command_line(["--update", "--to", "ipynb", "--output", str(notebook), str(page)])
        if failed:
            raise SystemExit(f"jupytext could not make {notebook.name} of {page.name}")
        change(notebook, lambda text: TO_PAGE.sub(link, text))
        print(notebook.relative_to(root))


def change(path: Path, text) -> None:
    """Put a notebook's text through a function, drop outputs, and mark the cells in FOLDED, for JupyterLab and for Colab."""
    if not path.exists():
        return
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            cell.source = text(cell.source)
            continue
        cell.outputs, cell.execution_count = [], None
        if FOLDED & set(cell.metadata.get("tags", [])):
            cell.metadata["jupyter"] = {"source_hidden": True}
            cell.metadata["cellView"] = "form"
    nbformat.write(notebook, path)


if __name__ == "__main__":
    make_pairs()
