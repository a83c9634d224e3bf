"""`make docs`: the pages of `docs` as a site, which asks no other host for anything, neither when built nor when read.

The pages are written for GitHub and stay as they are. For the site they are copied: drawings become pictures, since a
browser would need a program from elsewhere to draw them, and the few pages that lie beside `docs` are brought in.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import run
from typing import Final

from mermaidx import render

from tests.handbook.places import BESIDE, CONFIGURATION, ROOT

SITE: Final = ROOT / "site"

_DRAWING: Final = re.compile(r"^```mermaid\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK: Final = re.compile(r"\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)")
_FOREIGN: Final = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=["']?(?:https?:)?//[^>]*>""")


def build(site: Path) -> int:
    """Build the site into `html` of a folder, which is made anew.

    Returns:
        The exit code: 1 for a link that leads nowhere, or for something that a reader's browser would ask of another
        host.
    """
    shutil.rmtree(site, ignore_errors=True)
    _gather(site / "pages")
    shutil.copy(CONFIGURATION, site)
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--clean", "--strict"]
    if run(command, cwd=site, check=False).returncode:
        return 1
    foreign = list(_foreign(site / "html"))
    if foreign:
        sys.stderr.write("".join(f"{one}\n" for one in ("Browsers would ask other hosts for these:", *foreign)))
        return 1
    sys.stdout.write(f"The site is in {site / 'html'}; begin at index.html. Served over HTTP, its search works too.\n")
    return 0


def _gather(pages: Path) -> None:
    """Copy all pages to where the site is made from."""
    shutil.copytree(ROOT / "docs", pages)
    for name, place in BESIDE.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        (pages / place).write_text(text if name.suffix else f"# Licence\n\n```text\n{text}```\n", encoding="utf-8")
    origins = {place: name for name, place in BESIDE.items()}
    for page in pages.rglob("*.md"):
        place = page.relative_to(pages)
        moved = _relinked(page.read_text(encoding="utf-8"), origins.get(place, "docs" / place), place)
        page.write_text(_drawn(moved, page), encoding="utf-8")


def _relinked(text: str, origin: Path, place: Path) -> str:
    """Let links lead to the same pages from the page's place in the site; what is not in it stays, and is refused."""

    def link(found: re.Match[str]) -> str:
        target = Path(os.path.normpath(origin.parent / found[1]))
        if target.is_relative_to("docs"):
            goal = target.relative_to("docs")
        elif target in BESIDE:
            goal = BESIDE[target]
        else:
            return found[0]
        return f"]({os.path.relpath(goal, place.parent)}{found[2] or ''})"

    return _LINK.sub(link, text)


def _drawn(text: str, page: Path) -> str:
    """Put a picture in the place of each drawing."""
    for number, drawing in enumerate(_DRAWING.findall(text)):
        picture = page.with_name(f"{page.stem}-{number}.svg")
        picture.write_text(_picture(drawing), encoding="utf-8")
        words = f"![Drawing; each of its arrows is told below]({picture.name})"
        text = text.replace(f"```mermaid\n{drawing}```", words, 1)
    return text


def _picture(drawing: str) -> str:
    """Draw, in the drawing's own size and on white: what it is shown on may be dark."""
    svg: str = render(drawing).svg().replace("transparent", "white", 1)
    width = re.search(r'viewBox="\S+ \S+ (\d+)', svg)
    return svg.replace('width="100%"', f'width="{width[1]}"', 1) if width else svg


def _foreign(html: Path) -> Iterator[str]:
    for page in sorted(html.rglob("*.html")):
        for tag in _FOREIGN.findall(page.read_text(encoding="utf-8")):
            if "canonical" not in tag:
                yield f"{page.relative_to(html)}: {tag}"
