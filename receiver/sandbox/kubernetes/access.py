"""Who may do what: bearer tokens, and the rights of those who hold them."""

from dataclasses import dataclass, field

from receiver.sandbox.kubernetes import refusal
from receiver.sandbox.kubernetes.kind import Json, Kind

ANYTHING = "*"


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """A right: these verbs on these resources, in one namespace.

    Args:
        verbs: get, list, watch, create, update, patch, delete; or `*`.
        resources: Plurals, with the subresource where one is meant: `pods`, `pods/log`; or `*`.
        groups: API groups of the resources, the core group as empty text; or `*`.
        names: Names of the objects; empty for all. What has no name yet, a list or a creation, is then not covered.
        namespace: Where; `*` for everywhere, also for what is in no namespace.
    """

    verbs: frozenset[str]
    resources: frozenset[str]
    groups: frozenset[str] = frozenset({ANYTHING})
    names: frozenset[str] = frozenset()
    namespace: str = ANYTHING

    def covers(self, asked: "Attributes") -> bool:
        """Say whether it allows this."""
        return (
            bool({asked.verb, ANYTHING} & self.verbs)
            and bool({asked.resource, ANYTHING} & self.resources)
            and bool({asked.group, ANYTHING} & self.groups)
            and (not self.names or asked.name in self.names)
            and self.namespace in {asked.namespace, ANYTHING}
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Attributes:
    """What somebody wants to do, as RBAC sees it; see `Grant`."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """Somebody with a name and rights, such as `system:serviceaccount:argo:ops`."""

    name: str
    grants: tuple[Grant, ...] = ()

    def may(self, asked: Attributes) -> bool:
        """Say whether any grant allows this."""
        return any(grant.covers(asked) for grant in self.grants)


ANONYMOUS = Identity(name="system:anonymous")
ADMIN = Identity(name="system:admin", grants=(Grant(verbs=frozenset({ANYTHING}), resources=frozenset({ANYTHING})),))


def reader(name: str, namespace: str = ANYTHING) -> Identity:
    """Return somebody who may look at workflows, pods, logs, events and claims, and change nothing."""
    resources = frozenset({"workflows", "pods", "pods/log", "events", "persistentvolumeclaims"})
    grant = Grant(verbs=frozenset({"get", "list", "watch"}), resources=resources, namespace=namespace)
    return Identity(name=name, grants=(grant,))


def operator(name: str, namespace: str = ANYTHING) -> Identity:
    """Return somebody who may look like a reader, and create, patch and delete workflows, and delete pods."""
    workflows = Grant(
        verbs=frozenset({"create", "update", "patch", "delete"}),
        resources=frozenset({"workflows"}),
        namespace=namespace,
    )
    pods = Grant(verbs=frozenset({"delete"}), resources=frozenset({"pods"}), namespace=namespace)
    return Identity(name=name, grants=(*reader(name, namespace).grants, workflows, pods))


def holder(name: str, *roles: Json) -> Identity:
    """Return somebody who has exactly the rights of these Roles, each in its namespace, and of these ClusterRoles.

    Raises:
        ValueError: One of them is neither, or names a verb, group or resource in no list.
    """
    return Identity(name=name, grants=tuple(grant for role in roles for grant in _granted(role)))


def _granted(role: Json) -> list[Grant]:
    if role.get("apiVersion") != "rbac.authorization.k8s.io/v1" or role.get("kind") not in {"Role", "ClusterRole"}:
        raise ValueError(f"this is no role: {role.get('apiVersion')} {role.get('kind')}")
    namespace = role["metadata"]["namespace"] if role["kind"] == "Role" else ANYTHING
    return [
        Grant(
            verbs=_words(rule, "verbs"),
            resources=_words(rule, "resources"),
            groups=_words(rule, "apiGroups"),
            names=frozenset(rule.get("resourceNames") or ()),
            namespace=namespace,
        )
        for rule in role.get("rules") or ()
    ]


def _words(rule: Json, part: str) -> frozenset[str]:
    words = rule.get(part)
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise ValueError(f"a rule needs a list of {part}: {rule}")
    return frozenset(words)


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Knows the tokens."""

    identities: dict[str, Identity] = field(repr=False)

    def admit(self, authorization: str | None) -> Identity:
        """Return who sends this Authorization header.

        Raises:
            Refusal: 401; the token is unknown.
        """
        if authorization is None:
            return ANONYMOUS
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or token.strip() not in self.identities:
            raise refusal.unauthorized()
        return self.identities[token.strip()]


def demand(who: Identity, verb: str, kind: Kind, *, namespace: str, name: str, subresource: str = "") -> None:
    """Raise `Refusal` 403 unless *who* may do this, in the real server's words."""
    resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
    asked = Attributes(verb=verb, group=kind.group, resource=resource, namespace=namespace, name=name)
    if who.may(asked):
        return
    where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
    why = f'User "{who.name}" cannot {verb} resource "{resource}" in API group "{kind.group}" {where}'
    raise refusal.forbidden(kind, name, why)


def review(who: Identity, body: Json) -> Json:
    """Answer a SelfSubjectAccessReview."""
    asked = body.get("spec", {}).get("resourceAttributes")
    if not isinstance(asked, dict):
        raise refusal.unprocessable(
            "SelfSubjectAccessReview.authorization.k8s.io is invalid: spec.resourceAttributes: Invalid value: null: "
            "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        )
    resource = "/".join(part for part in (asked.get("resource", ""), asked.get("subresource", "")) if part)
    wanted = Attributes(
        verb=asked.get("verb", ""),
        group=asked.get("group", ""),
        resource=resource,
        namespace=asked.get("namespace", ""),
        name=asked.get("name", ""),
    )
    return body | {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "status": {"allowed": who.may(wanted)},
    }
