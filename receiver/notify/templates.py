"""The own words of a route for a message: read from a file, and given up for the built-in ones where they fail."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from html import unescape
from pathlib import Path
from types import TracebackType
from typing import Final

from jinja2 import Template, TemplateSyntaxError

from receiver.model.errors import DocumentError
from receiver.notify.facts import Facts, facts_of
from receiver.notify.situation import Situation
from receiver.notify.template_language import BLOCKS, FAULTS, language, parsed
from receiver.notify.words import clean, cost

LONGEST_BODY: Final = 5_500
"""Characters of a body after escaping: with header, buttons and links it stays within what Slack takes."""
LONGEST_SECTION: Final = 2_900
LONGEST_LINE: Final = 1_000
"""Characters of a title or a summary; each place shows as much of it as it can."""

_QUOTES: Final = (("&#39;", "'"), ("&#34;", '"'))
"""Jinja escapes for HTML; Slack would show these two as they are, and in mrkdwn quotes mean nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What is said in place of the built-in words; what is empty stays as it was.

    Attributes:
        title: The header, plain.
        sections: The paragraphs between header and buttons, mrkdwn, each within Slack's limit.
        summary: The one line of PagerDuty and of Slack's notifications, plain.
        fault: Why the built-in words stand after all, with file and line.
    """

    title: str = ""
    sections: tuple[str, ...] = ()
    summary: str = ""
    fault: str = ""


Loaded = Template | DocumentError
"""A template, or what is wrong with it."""

BUILT_IN: Final = Words()
"""Where no template says anything."""


def load(file: Path) -> Template:
    """Read a template.

    Raises:
        DocumentError: It cannot be read or is none; names file and line.
    """
    try:
        source = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(f"the template cannot be read: {error}", file=str(file), line=1) from error
    try:
        code = language().compile(parsed(source, str(file)), filename=str(file))
    except TemplateSyntaxError as error:
        raise DocumentError(error.message or "this is no template", file=str(file), line=error.lineno) from error
    return Template.from_code(language(), code, {})


def words_of(template: Template, facts: Facts) -> Words:
    """Say an incident in the words of a template.

    Raises:
        DocumentError: It fails on this incident, or says too much; names file and line.
    """
    file = template.filename or "template"
    context = template.new_context({field.name: getattr(facts, field.name) for field in fields(facts)})
    parts = template.blocks or {"body": template.root_render_func}
    try:
        said = {name: _gathered(parts[name](context), name) for name in BLOCKS if name in parts}
        sections = tuple(_sections(_without_entities(said.get("body", ""))))
    except FAULTS as error:
        raise DocumentError(f"the template failed: {error}", file=file, line=_line(template, error)) from error
    return Words(
        title=clean(unescape(said.get("title", ""))),
        sections=sections,
        summary=clean(unescape(said.get("summary", ""))),
    )


class Templates:
    """The templates that routes name, each read again when its file changes.

    Args:
        files: Their names.
    """

    def __init__(self, files: Iterable[str]) -> None:
        self._files = sorted(set(files))
        self._versions: dict[str, tuple[int, int]] = {}
        self._read: dict[str, Loaded] = {}

    def read(self) -> Mapping[str, Loaded]:
        """Give each template as its file is now, or what is wrong with it."""
        for file in self._files:
            version = _version(file)
            if version is None or version != self._versions.get(file):
                self._read[file] = _tried(file)
                self._versions[file] = version or (0, 0)
        return self._read


def words_in(loaded: Loaded, situation: Situation, public_url: str | None) -> Words:
    """Say an incident in the words of a template; the fault alone where it fails, so that the built-in ones stand."""
    try:
        if isinstance(loaded, DocumentError):
            raise loaded
        return words_of(loaded, facts_of(situation, public_url))
    except DocumentError as error:
        return Words(fault=str(error))


def _version(file: str) -> tuple[int, int] | None:
    """Tell one state of a file from another; None where there is none."""
    try:
        stat = Path(file).stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size


def _tried(file: str) -> Loaded:
    try:
        return load(Path(file))
    except DocumentError as error:
        return error


def _gathered(pieces: Iterator[str], name: str) -> str:
    """Join what a part says, and stop where it is too much."""
    longest = LONGEST_BODY if name == "body" else LONGEST_LINE
    kept: list[str] = []
    room = longest
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            raise ValueError(f"its {name} has more than {longest:,} characters; shorten it by `cut` or `[:3]`")
        kept.append(piece)
    return "".join(kept).strip()


def _sections(body: str) -> Iterator[str]:
    """Divide a body between lines into what one section takes."""
    if cost(body) > LONGEST_BODY:
        raise ValueError(f"its body has more than {LONGEST_BODY:,} characters as Slack counts; shorten it by `cut`")
    held: list[str] = []
    for line in body.splitlines():
        if len(line) > LONGEST_SECTION:
            raise ValueError(f"a line of its body has more than {LONGEST_SECTION:,} characters")
        if held and sum(map(len, held)) + len(held) + len(line) > LONGEST_SECTION:
            yield "\n".join(held)
            held = []
        held.append(line)
    if any(line.strip() for line in held):
        yield "\n".join(held)


def _without_entities(text: str) -> str:
    for entity, sign in _QUOTES:
        text = text.replace(entity, sign)
    return text


def _line(template: Template, error: BaseException) -> int:
    """Find the line of a template in which an error came up; its first where it came up in none."""
    line, trace = 1, error.__traceback__
    while trace is not None:
        if _is_of(template, trace):
            line = template.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


def _is_of(template: Template, trace: TracebackType) -> bool:
    return trace.tb_frame.f_code.co_filename == template.filename
