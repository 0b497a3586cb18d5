"""Make notebooks/*.ipynb from the chapters in book/ that have code. Run by `make notebooks`."""

import contextlib
import io
from pathlib import Path

import jupytext
import nbformat
from jupytext.cli import jupytext as command_line

# What the book folds away or leaves out starts folded in a notebook too: quiz answers, for one.
FOLDED = {"setup", "hide-input", "hide-cell", "remove-input", "remove-cell"}
ROOT = Path(__file__).resolve().parent.parent


def chapters(root: Path = ROOT) -> list[Path]:
    """The pages in book/ that are notebooks: those that name a kernel."""
    return [p for p in sorted((root / "book").glob("*.md")) if "kernelspec" in jupytext.read(p).metadata]


def make_pairs(root: Path = ROOT) -> None:
    """Write one notebook a chapter, without outputs, and remove notebooks whose chapter is gone."""
    pairs = {page: root / "notebooks" / f"{page.stem}.ipynb" for page in chapters(root)}
    for stale in set((root / "notebooks").glob("*.ipynb")) - set(pairs.values()):
        stale.unlink()
    for page, notebook in pairs.items():
        # --update keeps the ids of cells that have not changed; --sync would let file times decide.
        # In this process: to start one a page takes far longer than the work.
        with contextlib.redirect_stdout(io.StringIO()):
            failed = command_line(["--update", "--to", "ipynb", "--output", str(notebook), str(page)])
        if failed:
            raise SystemExit(f"jupytext could not make {notebook.name} of {page.name}")
        fold(notebook)
        print(notebook.relative_to(root))


def fold(path: Path) -> None:
    """Mark the cells in FOLDED as folded, for JupyterLab and for Colab."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code" and FOLDED & set(cell.metadata.get("tags", [])):
            cell.metadata["jupyter"] = {"source_hidden": True}
            cell.metadata["cellView"] = "form"
    nbformat.write(notebook, path)


if __name__ == "__main__":
    make_pairs()
