"""Writes each dashboard beside this file, for Grafana to provision."""

from pathlib import Path

from deploy.grafana.boards import BOARDS, written

FOLDER = Path(__file__).parent / "dashboards"


def write() -> None:
    """Write all dashboards anew."""
    FOLDER.mkdir(exist_ok=True)
    for name, board in BOARDS.items():
        (FOLDER / f"{name}.json").write_text(written(board()), encoding="utf-8")


if __name__ == "__main__":
    write()
