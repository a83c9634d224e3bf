"""YAML documents that people write, decoded into typed nouns; what is refused is refused with file and line.

Settings and playbooks are read by this one module, so that both speak of errors alike.
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Any, Final, TypeVar

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError

from receiver.model.duration import Duration
from receiver.model.errors import DocumentError
from receiver.model.matcher import Matcher

T = TypeVar("T")
Path = tuple[str | int, ...]

_UNKNOWN: Final = re.compile(r"Object contains unknown field `(?P<name>.*)`")
_AT: Final = re.compile(r"(?P<reason>.*?)(?: - at `(?P<path>(?:key in )?\$.*)`)?", re.DOTALL)
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[\.\.\.\]")


class Document:
    """One YAML document, with the line of each of its values.

    Args:
        text: The document.
        file: Its name, for errors.

    Raises:
        DocumentError: It is not YAML, or says one key twice.
    """

    def __init__(self, text: str, *, file: str) -> None:
        self.file = file
        self.text = text
        try:
            self._root: Any = YAML(typ="rt").load(StringIO(text))
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise DocumentError(f"this is not YAML: {error.problem}", file=file, line=line) from error
        except ValueError as error:
            raise DocumentError(f"this is not YAML: {error}", file=file, line=1) from error

    @property
    def value(self) -> object:
        """The document as plain lists, dicts and scalars; an empty document is an empty dict."""
        return {} if self._root is None else _plain(self._root)

    def line(self, path: Path) -> int:
        """Find the line, from 1, of the deepest part of a path that the document has."""
        node, line = self._root, 1
        for step in path:
            if isinstance(node, CommentedMap) and step in node:
                line = node.lc.key(step)[0] + 1
            elif isinstance(node, CommentedSeq) and isinstance(step, int) and step < len(node):
                line = node.lc.item(step)[0] + 1
            else:
                break
            node = node[step]
        return line

    def error(self, reason: str, path: Path) -> DocumentError:
        """Make an error about a place in this document."""
        return DocumentError(reason, file=self.file, line=self.line(path))

    def decode(self, wanted: type[T]) -> T:
        """Turn the document into a typed noun.

        Args:
            wanted: A msgspec struct; its fields may be durations and matchers too.

        Raises:
            DocumentError: An unknown key, a wrong type or a value out of range, with its line and the nearest right
                name.
        """
        return decode(self, self.value, wanted)


def decode(document: Document, value: object, wanted: type[T], *, at: Path = ()) -> T:
    """Decode a part of a document, found at a path in it; see `Document.decode`."""

    def decode_scalar(kind: type, given: Any) -> Any:
        if kind in {Duration, Matcher}:
            if not isinstance(given, str):
                raise ValueError(f"expected text, found {given!r}; put it into quotes")
            return kind.parse(given)
        if issubclass(kind, str) and isinstance(given, str):
            return kind(given)
        raise ValueError(f"expected {kind.__name__}, found another type")

    try:
        return msgspec.convert(value, wanted, dec_hook=decode_scalar)
    except msgspec.ValidationError as error:
        found = _AT.fullmatch(str(error))
        reason, where = (found["reason"], _path(found["path"] or "")) if found else (str(error), ())
        unknown = _UNKNOWN.fullmatch(reason)
        if unknown is None:
            raise document.error(f"{_dotted(at + where)}{reason}", at + where) from error
        name = unknown["name"]
        reason = f"unknown key {name!r}{nearest(name, _keys(wanted, where))}"
        raise document.error(reason, (*at, *where, name)) from error


def nearest(name: str, names: Iterable[str]) -> str:
    """Say which of some names was probably meant, as the end of a sentence; empty when none is near."""
    known = sorted(names)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known are {', '.join(known)}" if known else ""


def _plain(node: object) -> object:
    if isinstance(node, Mapping):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, Sequence) and not isinstance(node, str | bytes):
        return [_plain(value) for value in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)


def _path(text: str) -> Path:
    return tuple(int(number) if number else name for name, number in _STEP.findall(text) if name or number)


def _dotted(path: Path) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    return f"{text}: " if text else ""


def _keys(wanted: Any, path: Path) -> list[str]:
    """List the keys that the struct at a path takes."""
    kinds = [msgspec.inspect.type_info(wanted)]
    for step in path:
        kinds = [below for kind in kinds for below in _below(kind, step)]
    structs = [kind for kind in _flat(kinds) if isinstance(kind, msgspec.inspect.StructType)]
    return [field.encode_name for struct in structs for field in struct.fields]


def _below(kind: msgspec.inspect.Type, step: str | int) -> list[msgspec.inspect.Type]:
    found: list[msgspec.inspect.Type] = []
    for one in _flat([kind]):
        if isinstance(one, msgspec.inspect.StructType):
            found += [field.type for field in one.fields if field.encode_name == step]
        elif isinstance(one, msgspec.inspect.DictType):
            found.append(one.value_type)
        elif isinstance(one, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
            found.append(one.item_type)
    return found


def _flat(kinds: Iterable[msgspec.inspect.Type]) -> list[msgspec.inspect.Type]:
    flat: list[msgspec.inspect.Type] = []
    for kind in kinds:
        flat += _flat(kind.types) if isinstance(kind, msgspec.inspect.UnionType) else [kind]
    return flat
