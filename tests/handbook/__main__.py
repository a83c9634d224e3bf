"""`make reference`: write the pages of the reference anew. `make docs`: build the site of the documentation."""

import sys
from pathlib import Path

from tests.handbook.reference import write
from tests.handbook.site import SITE, build

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["reference"]:
            write()
        case ["site"]:
            sys.exit(build(SITE))
        case ["site", folder]:
            sys.exit(build(Path(folder)))
        case _:
            sys.exit("usage: python -m tests.handbook reference|site [FOLDER]")
