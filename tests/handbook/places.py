"""Where the pages of the site come from."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CONFIGURATION: Final = ROOT / "zensical.toml"

BESIDE: Final = {
    Path("README.md"): Path("overview.md"),
    Path("CONTRIBUTING.md"): Path("contributing.md"),
    Path("CHANGELOG.md"): Path("changelog.md"),
    Path("LICENSE"): Path("licence.md"),
}
"""What lies beside `docs` and is read together with it, and its place in the site."""
