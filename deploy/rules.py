"""Writes what Kubernetes is given of `alertmanager/`: the rules as a PrometheusRule, the configuration as a Secret.

    uv run python -m deploy.rules

The files in `alertmanager/` are the ones to change: promtool and amtool judge them. A test proves that what is written
here is the same. No secret stands in either; each is a file that the configuration names.
"""

from io import StringIO
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

_HERE: Final = Path(__file__).parent
_SHIPPED: Final = _HERE.parent / "alertmanager"

_HEAD: Final = "# Written by `python -m deploy.rules` from {source}: change that, not this.\n"


def groups() -> list[Any]:
    """Read all groups of rules, in the order of their files."""
    return [
        group
        for path in sorted((_SHIPPED / "rules").glob("*.yml"))
        for group in YAML(typ="safe").load(path.read_text(encoding="utf-8"))["groups"]
    ]


def write() -> None:
    """Write all anew."""
    for name, make in WRITTEN.items():
        (_HERE / name).write_text(make(), encoding="utf-8")


def _rules() -> str:
    document = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "workflow-monitoring-rules",
            "labels": {"app": "workflow-monitoring", "prometheus": "workflow-prometheus"},
        },
        "spec": {"groups": groups()},
    }
    return _HEAD.format(source="alertmanager/rules") + _yaml(_with_blocks(document))


def _configuration() -> str:
    text = (_SHIPPED / "alertmanager.yml").read_text(encoding="utf-8")
    document = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "alertmanager-config", "namespace": "taskmaster"},
        "type": "Opaque",
        # The operator looks for this name.
        "stringData": {"alertmanager.yaml": text},
    }
    return _HEAD.format(source="alertmanager/alertmanager.yml") + _yaml(_with_blocks(document))


def _with_blocks(value: Any) -> Any:
    """Let texts of several lines stand as they are read."""
    if isinstance(value, dict):
        return {key: _with_blocks(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_blocks(inner) for inner in value]
    return LiteralScalarString(value) if isinstance(value, str) and "\n" in value else value


def _yaml(document: Any) -> str:
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.ignore_aliases = lambda _: True
    text = StringIO()
    yaml.dump(document, text)
    return text.getvalue()


WRITTEN: Final = {
    "overlays/monitoring/rules.yaml": _rules,
    "examples/alertmanager-config.yaml": _configuration,
}
"""Each file beside this one that is written, and who makes it."""

if __name__ == "__main__":
    write()
