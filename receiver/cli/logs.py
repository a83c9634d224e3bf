"""Logs: one line for each outcome, readable on a terminal, JSON everywhere else."""

import logging
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Final

import structlog

_COUNTED: Final = ("warning", "error", "critical")
_lines: Final = Counter(dict.fromkeys(_COUNTED, 0))


def lines_written() -> Mapping[str, int]:
    """Say how many lines of each level this process has written, from warnings up."""
    return _lines


def set_up_logs() -> None:
    """Send our logs, and those of the libraries from warnings up, to standard error in one form."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _count,
    ]
    pretty = sys.stderr.isatty()
    last: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    )
    traces: list[structlog.typing.Processor] = [] if pretty else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, *traces, last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    foreign = logging.StreamHandler(sys.stderr)
    foreign.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *traces, last],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[foreign], force=True)


def _count(_: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Count a line and let it pass."""
    if line.get("level") in _COUNTED:
        _lines[line["level"]] += 1
    return line
