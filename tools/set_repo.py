"""Set the course's public address, which stands once, in _config.yml. Run by `make set-repo URL=...`."""

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = re.compile(r"https://github\.com/[\w.-]+/[\w.-]+(?<!\.git)")
SETTING = re.compile(r"(^repository:\n  url: ).*$", re.MULTILINE)
CELL = re.compile(
    r"(^```\{code-cell\} ipython3\n:tags: \[setup, (?:hide|remove)-input\]\n\n).*?(^```$)", re.MULTILINE | re.DOTALL
)

WITH_ADDRESS = """\
# Setup: installs the course's package where it is missing, and moves no other package.
try:
    import cnnlib
except ModuleNotFoundError:
    %pip install -q "cnnlib @ git+{url}"
    import cnnlib
"""
WITHOUT_ADDRESS = """\
# Setup: the course has no public address yet, so its package comes from your copy of it.
try:
    import cnnlib
except ModuleNotFoundError as missing:
    import sys

    raise ModuleNotFoundError(
        "cnnlib is missing. In a terminal, in the course's folder, run "
        f'"{sys.executable}" -m pip install -e . (".[cpu]" for the dot where '
        "TensorFlow is missing too; for -e . a wheel that you were given), "
        "then restart the kernel."
    ) from missing
"""


def address(root: Path = ROOT) -> str:
    """The public address, or "" while there is none."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]


def setup_cell(url: str) -> str:
    """The code of every chapter's first cell."""
    return WITH_ADDRESS.format(url=url) if url else WITHOUT_ADDRESS


def set_repo(url: str, root: Path = ROOT) -> None:
    """Write the address into _config.yml and into every chapter's setup cell; "" takes it away.

    ValueError for an address that Colab cannot open, before anything is written.
    """
    if url and not ADDRESS.fullmatch(url):
        raise ValueError(f"URL={url!r} is no address that Colab can open; valid: https://github.com/OWNER/NAME")
    config = root / "_config.yml"
    config.write_text(SETTING.sub(rf'\g<1>"{url}"', config.read_text(encoding="utf-8")), encoding="utf-8")
    for page in sorted((root / "book").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        page.write_text(CELL.sub(lambda m: m[1] + setup_cell(url) + m[2], text), encoding="utf-8")


if __name__ == "__main__":
    try:
        url = sys.argv[1] if len(sys.argv) > 1 else ""
        if not url:
            raise ValueError(
                "URL is missing; valid: URL=https://github.com/OWNER/NAME, or URL=none to take the address away"
            )
        set_repo("" if url == "none" else url)
    except ValueError as error:
        sys.exit(str(error))
