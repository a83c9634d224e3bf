"""The pages under `docs/reference`, which are made from the code and committed, so that they are read anywhere."""

from collections.abc import Callable, Mapping
from typing import Final

from tests.handbook import api, commands, metrics, playbook, settings
from tests.handbook.places import ROOT

FOLDER: Final = ROOT / "docs/reference"

PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "commands": commands.page,
    "settings": settings.page,
    "playbook": playbook.page,
    "api": api.page,
    "metrics": metrics.page,
}

_MADE: Final = "<!-- Made from the code by `make reference`; change the code. -->\n\n"


def written(name: str) -> str:
    """Write a page from the code as it is now."""
    lines = (line.rstrip() for line in PAGES[name]().splitlines())
    return _MADE + "\n".join(lines).strip() + "\n"


def write() -> None:
    """Write all pages anew."""
    FOLDER.mkdir(exist_ok=True)
    for name in PAGES:
        (FOLDER / f"{name}.md").write_text(written(name), encoding="utf-8")
