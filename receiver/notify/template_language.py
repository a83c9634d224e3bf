"""The language of templates: Jinja, without whatever could run long, reach anything, or let a label pass for markup.

Templates are written by whoever configures Receiver; what they show is written by anybody. So each value is escaped for
Slack's mrkdwn, and there is no way to say that one is not: no `safe`, no `autoescape`. And there is nothing by which a
template could run for long: loops go over what is given, one at most within another; nothing is assigned, called,
multiplied or included.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import Any, Final, get_type_hints

from jinja2 import TemplateError, TemplateSyntaxError, UndefinedError, nodes
from jinja2.filters import FILTERS
from jinja2.runtime import LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.tests import TESTS
from markupsafe import Markup, escape

from receiver.model.duration import format_duration
from receiver.notify.facts import Facts
from receiver.notify.words import code as code_span, cut, moment, slack_link

LONGEST_SOURCE: Final = 8_000
"""Characters of a template."""
MOST_TURNS: Final = 50
"""Of one loop."""
DEEPEST_LOOP: Final = 2
BLOCKS: Final = ("title", "body", "summary")
"""The parts of a message that a template may give words to."""

FAULTS: Final = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError)
"""What a template of this language can raise."""

_LONGEST_SEPARATOR: Final = 20
_FILTERS: Final = (
    *("capitalize", "default", "dictsort", "first", "int", "items", "last", "length", "lower", "map", "reject"),
    *("rejectattr", "round", "select", "selectattr", "sort", "trim", "truncate", "unique", "upper"),
)
_TESTS: Final = ("defined", "undefined", "none", "in", "eq", "ne", "lt", "gt", "le", "ge", "equalto", "==", "!=")
_LANGUAGE: Final[tuple[type[nodes.Node], ...]] = (
    *(nodes.Template, nodes.Block, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.CondExpr),
    *(nodes.Name, nodes.Const, nodes.List, nodes.Tuple, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Keyword),
    *(nodes.Filter, nodes.Test, nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.Concat),
    *(nodes.Add, nodes.Sub, nodes.Neg),
)


class Language(ImmutableSandboxedEnvironment):
    """Jinja as templates of messages may use it."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Give a field of what is given, an entry of a map, or how a loop stands; no methods of anything."""
        if isinstance(obj, Mapping):
            return obj[attribute] if attribute in obj else self.undefined(obj=obj, name=attribute)
        if is_dataclass(obj) and not isinstance(obj, type):
            if attribute in _own(type(obj)):
                return getattr(obj, attribute)
            raise UndefinedError(f"there is no {attribute!r} here; {_names(type(obj))}")
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        if isinstance(obj, Undefined):
            raise UndefinedError(f"there is nothing that could have a {attribute!r}")
        raise UndefinedError(f"nothing has a {attribute!r} here")

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Do the same for an entry, and give one or some of a list."""
        if isinstance(argument, str):
            return self.getattr(obj, argument)
        if isinstance(obj, list | tuple | str):
            try:
                return obj[argument]
            except IndexError:
                return self.undefined(obj=obj, name=argument)
        raise UndefinedError("only lists and texts are counted through by a number")


_LOOP: Final = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length"})


@cache
def language() -> Language:
    """Give the language; made once."""
    made = Language(autoescape=True, finalize=_shown, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=False)
    made.globals.clear()
    made.filters.clear()
    made.filters.update({name: FILTERS[name] for name in _FILTERS})
    made.filters.update(
        each=_each, join=_join, cut=cut, code=_code, link=_link, moment=moment, duration=format_duration
    )
    made.tests.clear()
    made.tests.update({name: TESTS[name] for name in _TESTS})
    return made


def parsed(source: str, file: str) -> nodes.Template:
    """Read a template, and refuse what is not part of the language.

    Raises:
        TemplateSyntaxError: It is none; the error names the line.
    """
    if len(source) > LONGEST_SOURCE:
        raise TemplateSyntaxError(f"a template has at most {LONGEST_SOURCE:,} characters", 1, filename=file)
    tree = language().parse(source, filename=file)
    _check(tree, depth=0)
    known = {*_fields(), *_targets(tree)}
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load" and name.name not in known:
            raise _refused(f"nothing is called {name.name!r}; {_names(Facts)}", name)
    for one in tree.find_all(nodes.Getattr):
        whole = _fields().get(one.node.name) if isinstance(one.node, nodes.Name) else None
        if isinstance(whole, type) and is_dataclass(whole) and one.attr not in _own(whole):
            raise _refused(f"there is no {one.attr!r} here; {_names(whole)}", one)
    blocks = list(tree.find_all(nodes.Block))
    outside = next((one for one in tree.body if blocks and not _is_blank(one)), None)
    if outside is not None:
        raise _refused("beside blocks there is nothing else: put it into {% block body %}", outside)
    return tree


def _check(node: nodes.Node, *, depth: int) -> None:
    if not isinstance(node, _LANGUAGE):
        name = "autoescape" if isinstance(node, nodes.Scope) else type(node).__name__.lower()
        raise _refused(f"{name} is not part of the language of templates", node)
    if isinstance(node, nodes.Block) and (node.name not in BLOCKS or node.scoped or node.required or depth):
        raise _refused(f"a block is one of {', '.join(BLOCKS)}, and stands in no loop", node)
    if isinstance(node, nodes.For):
        depth += 1
        if depth > DEEPEST_LOOP or node.recursive:
            raise _refused(f"loops stand at most {DEEPEST_LOOP} within each other, and do not call themselves", node)
        node.iter = nodes.Filter(node.iter, "each", [], [], None, None, lineno=node.lineno)
    for child in node.iter_child_nodes():
        if isinstance(node, nodes.Block) and isinstance(child, nodes.Block):
            raise _refused("a block stands in no other", child)
        _check(child, depth=depth)


def _is_blank(node: nodes.Node) -> bool:
    if isinstance(node, nodes.Output):
        return all(isinstance(one, nodes.TemplateData) and not one.data.strip() for one in node.nodes)
    return isinstance(node, nodes.Block)


def _targets(tree: nodes.Template) -> Iterator[str]:
    """Name what loops make known; a loop's name counts everywhere, and shows nothing outside of it."""
    if tree.find(nodes.For) is not None:
        yield "loop"
    for name in tree.find_all(nodes.Name):
        if name.ctx == "store":
            yield name.name


@cache
def _fields() -> dict[str, Any]:
    return get_type_hints(Facts)


def _own(whole: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(whole))


def _names(whole: type[Any]) -> str:
    return f"what is there: {', '.join(_own(whole))}"


def _refused(text: str, node: nodes.Node) -> TemplateSyntaxError:
    within = (one.lineno for one in (node, *node.find_all(nodes.Node)) if one.lineno)
    return TemplateSyntaxError(text, next(within, 1))


def _shown(value: Any) -> Any:
    """Bring a value into words; what has none, such as a list, is refused rather than shown as Python writes it."""
    if value is None or isinstance(value, Undefined):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, str | int | float):
        return value
    raise TypeError(f"a {type(value).__name__} is no text: go through it, or join it")


def _each(value: Any) -> list[Any]:
    """Bound what a loop goes over."""
    if isinstance(value, str):
        raise TypeError("a loop goes over a list, not over the letters of a text")
    found = list(islice(value, MOST_TURNS + 1))
    if len(found) > MOST_TURNS:
        raise ValueError(f"a loop goes over at most {MOST_TURNS} things; cut it short, such as by [:{MOST_TURNS}]")
    return found


def _join(values: Any, separator: str = "") -> Markup:
    """Join texts; each is escaped, the separator too."""
    if len(separator) > _LONGEST_SEPARATOR:
        raise ValueError(f"a separator has at most {_LONGEST_SEPARATOR} characters")
    return escape(separator).join(_shown(one) for one in _each(values))


def _code(text: str) -> Markup:
    """Show a text between backticks, which it cannot end."""
    return Markup(f"`{code_span(str(text), 500)}`")  # noqa: S704 - escaped by the line itself


def _link(url: str, text: str = "") -> Markup:
    """Make a link of a web address; only the text where it is none."""
    return Markup(slack_link(str(url), str(text) or str(url)))  # noqa: S704 - both parts are made safe there
