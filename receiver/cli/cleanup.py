"""`receiver cleanup`: finished workflows to the archive and out of the cluster, and what others left behind."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

from receiver.cli.advance import bar
from receiver.cli.cleanup_report import concluded, planned, shape
from receiver.cli.cluster import connect_cluster
from receiver.cli.forms import Form, Listed
from receiver.cli.person import person
from receiver.cli.playbook_rights import Account, written
from receiver.cli.reading import Config, ListOutput, Output, opened, run, settings_of
from receiver.cli.s3 import make_bucket, make_s3
from receiver.cli.tables import say, table
from receiver.cli.telling import Ask, Watch, Way, tell
from receiver.cli.wiring import connect_argo, held, make_archivist
from receiver.clients.kubernetes import Cluster
from receiver.model.cleanup import CleanupRun, Kind, Move
from receiver.model.duration import Duration
from receiver.model.errors import SettingsError
from receiver.pipeline.rooms import utc_now
from receiver.remediate.actions import Grant
from receiver.remediate.rights import documents, rules_of
from receiver.settings import Settings
from receiver.store import cleanups
from receiver.upkeep.cleanup import Cleanup
from receiver.upkeep.leaving import Rules
from receiver.upkeep.remnants import Remnants, with_what_follows

app = typer.Typer(
    add_completion=False,
    name="cleanup",
    help="Finished workflows to the archive, then out of the cluster.",
)

Leftovers = Annotated[
    str, typer.Option(metavar="pods,pvcs", help="Also pods or claims whose workflows are gone; claims lose their data.")
]
Namespaces = Annotated[
    list[str] | None, typer.Option("--namespace", "-n", help="Only there; else the namespaces of the settings.")
]
Artifacts = Annotated[
    bool, typer.Option("--with-artifacts", help="Also workflows whose artifacts Argo deletes with them.")
]

_KINDS = {"pods": Kind.POD, "pvcs": Kind.CLAIM}
_READING = (
    Grant(group="argoproj.io", resource="workflows", verbs=("get", "list", "delete")),
    Grant(group="", resource="pods", verbs=("list",)),
    Grant(group="", resource="persistentvolumeclaims", verbs=("list",)),
)
"""What a cleanup needs; pods and claims are listed by a dry run, and by whoever looks for what was left behind."""
_RESOURCES = {Kind.POD: "pods", Kind.CLAIM: "persistentvolumeclaims"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What is asked for.

    Attributes:
        kinds: Of what else is taken.
        namespaces: An empty name stands for all.
    """

    rules: Rules
    kinds: Sequence[Kind]
    namespaces: Sequence[str]
    budget: int


@app.callback(invoke_without_command=True)
def cleanup(
    context: typer.Context,
    *,
    config: Config = None,
    output: Output = Form.TABLE,
    older_than: Annotated[
        str | None, typer.Option(metavar="7d", help="How long ago a workflow must have ended; else cleanup.older_than.")
    ] = None,
    budget: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Most objects that are deleted; else cleanup.budget.")
    ] = None,
    namespace: Namespaces = None,
    leftovers: Leftovers = "",
    with_artifacts: Artifacts = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Archive finished workflows, read each back, then delete it: never one without the other.

    Ends with 1 where one could not be archived or deleted; those that are left alone are named, and are no failure.
    """
    if context.invoked_subcommand is not None:
        return
    settings = settings_of(config)
    length = settings.cleanup.older_than if older_than is None else _length(older_than)
    rules = Rules(older_than=length, opt_in=settings.kubernetes.opt_in, artifacts=with_artifacts)
    wish = _Wish(
        rules=rules,
        kinds=_kinds(leftovers),
        namespaces=_where(settings, namespace or ()),
        budget=budget or settings.cleanup.budget,
    )
    if dry_run:
        run(_plan(settings, wish, output))
        return
    made = run(_clean(settings, wish, output))
    if made.trouble:
        raise typer.Exit(1)


@app.command("list")
def list_runs(
    *,
    config: Config = None,
    output: ListOutput = Form.TABLE,
    watch: Watch = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=500, metavar="N", help="Most items.")] = 20,
) -> None:
    """List the runs of the past, the newest first, with what each came to."""

    @asynccontextmanager
    async def question() -> AsyncIterator[Ask[list[CleanupRun]]]:
        async with opened(settings_of(config)) as database:

            async def ask() -> list[CleanupRun]:
                async with database.transaction() as tx:
                    return await cleanups.latest(tx, limit=limit)

            yield ask

    way = Way(output=output, told=_listed, shape=_shape, name=lambda one: one["id"])
    tell(question(), way, watch=watch)


def _shape(found: list[CleanupRun]) -> Listed:
    return Listed(items=[shape(one) for one in found])


def _listed(found: list[CleanupRun]) -> None:
    table(
        ("id>", "began", "took", "by", "due>", "archived>", "deleted>", "skipped>", "failed>", "trouble"),
        (
            (
                one.id,
                one.started_at,
                one.ended_at - one.started_at if one.ended_at else "not ended",
                one.started_by,
                one.due,
                one.archived,
                one.deleted,
                sum(one.skipped.values()),
                one.failed,
                one.trouble,
            )
            for one in found
        ),
        empty="no cleanup has run",
    )


@app.command("rbac")
def rbac(
    *,
    config: Config = None,
    namespace: Namespaces = None,
    account: Account = "monitoring/receiver-cleanup",
    leftovers: Leftovers = "",
) -> None:
    """Print the least Role and RoleBinding for a cleanup, per namespace, for `kubectl apply -f -`."""
    kinds = _kinds(leftovers)
    where = namespace or [one for one in settings_of(config).kubernetes.namespaces if one != "*"]
    if not where:
        raise SettingsError("no namespace is named: give --namespace, or set kubernetes.namespaces")
    grants = [*_READING, *(Grant(group="", resource=_RESOURCES[kind], verbs=("delete",)) for kind in kinds)]
    made = (one for name in where for one in documents("receiver-cleanup", rules_of(grants), name, account))
    for line in written(made).splitlines():
        say(line)


async def _plan(settings: Settings, wish: _Wish, output: Form) -> None:
    async with _desk(settings, wish) as (cleanup, cluster):
        moves = await with_what_follows(cluster, wish.namespaces, await cleanup.survey())
    planned(moves, wish.budget, output)


async def _clean(settings: Settings, wish: _Wish, output: Form) -> CleanupRun:
    moves: list[Move] = []
    async with _desk(settings, wish) as (cleanup, _):
        with bar("cleanup", None) as advance:

            def tell(move: Move, _: CleanupRun) -> None:
                moves.append(move)
                advance(1)

            made = await cleanup.run(by=person(), budget=wish.budget, tell=tell)
    concluded(made, moves, output)
    return made


@asynccontextmanager
async def _desk(settings: Settings, wish: _Wish) -> AsyncIterator[tuple[Cleanup, Cluster]]:
    """Open what a cleanup needs.

    Raises:
        SettingsError: There is no bucket or no cluster.
        S3Error: The bucket is not there, or cannot be used: better said once than of each workflow.
    """
    async with AsyncExitStack() as stack:
        s3 = make_s3(settings)
        bucket = make_bucket(s3)
        if s3 is None or bucket is None:
            raise SettingsError("archive.bucket is not set, and what is not archived is not deleted: name a bucket")
        stack.push_async_callback(s3.close)
        cluster = connect_cluster(settings)
        if cluster is None:
            raise SettingsError("there is no cluster to clean: set kubernetes.kubeconfig and kubernetes.context")
        stack.push_async_callback(cluster.close)
        await s3.check()
        argo = held(stack, connect_argo(settings, cluster))
        database = await stack.enter_async_context(opened(settings))
        keeper = make_archivist(settings, database, bucket, cluster, argo)
        remnants = Remnants(cluster, wish.rules, wish.kinds, utc_now) if wish.kinds else None
        cleanup = Cleanup(
            database, cluster, keeper, namespaces=wish.namespaces, rules=wish.rules, remnants=remnants, now=utc_now
        )
        yield cleanup, cluster


def _where(settings: Settings, named: Sequence[str]) -> list[str]:
    """List the namespaces; an empty name stands for all.

    Raises:
        SettingsError: None is allowed, or one that is named is not.
    """
    allowed = settings.kubernetes.namespaces
    if not allowed:
        raise SettingsError("kubernetes.namespaces is empty, so nothing may be touched anywhere: name namespaces")
    for name in named:
        if not settings.kubernetes.allows(name):
            raise SettingsError(f"--namespace {name} is none of kubernetes.namespaces: nothing may be touched there")
    if named:
        return list(dict.fromkeys(named))
    return [""] if "*" in allowed else list(dict.fromkeys(allowed))


def _kinds(text: str) -> list[Kind]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in _KINDS:
            raise typer.BadParameter(f"{name!r} is neither pods nor pvcs", param_hint="--leftovers")
    return list(dict.fromkeys(_KINDS[name] for name in names))


def _length(text: str) -> Duration:
    try:
        return Duration.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--older-than") from error
