"""Make notebooks/*.ipynb from the chapters in book/ that have code. Run by `make notebooks`."""

import subprocess
import sys
from pathlib import Path

import jupytext

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
        subprocess.run(
            [sys.executable, "-m", "jupytext", "--update", "--to", "ipynb", "--output", str(notebook), str(page)],
            check=True,
            cwd=root,
            stdout=subprocess.DEVNULL,
        )
        print(notebook.relative_to(root))


if __name__ == "__main__":
    make_pairs()
