"""Evidence: what was kept before a remediation destroyed something. For operators: workflows may hold secrets."""

from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from receiver.model.evidence import Evidence
from receiver.model.shapes.evidence import EvidenceList, EvidenceShape
from receiver.store.evidence import Bundles
from receiver.web.access import needs
from receiver.web.problems import not_found
from receiver.webhook.access import Role


def evidence_shape(kept: Evidence) -> EvidenceShape:
    """Give a bundle its shape."""
    return EvidenceShape(cursor=kept.cursor, at=kept.at, place=kept.place, sha256=kept.sha256, size=kept.size)


@get(
    "/{run_id:int}/evidence",
    opt=needs(Role.OPERATOR),
    summary="List what was kept before a remediation destroyed something",
    operation_id="listEvidence",
)
async def list_evidence(bundles: NamedDependency[Bundles], run_id: FromPath[int]) -> EvidenceList:
    """Answer with all bundles of a remediation; none where it destroyed nothing."""
    return EvidenceList(items=[evidence_shape(kept) for kept in await bundles.of_run(run_id)])


@get(
    "/{run_id:int}/evidence/{step:int}",
    opt=needs(Role.OPERATOR),
    summary="Give one bundle of evidence",
    operation_id="getEvidence",
    media_type=MediaType.JSON,
)
async def get_evidence(
    bundles: NamedDependency[Bundles], run_id: FromPath[int], step: FromPath[int]
) -> Response[bytes]:
    """Answer with a bundle as JSON: alert, decision, workflow, steps, pods, events, and the last lines of the log."""
    kept = next((one for one in await bundles.of_run(run_id) if one.cursor == step), None)
    if kept is None:
        raise not_found(
            f"remediation {run_id} has no evidence of step {step}; GET /api/v1/remediations/{run_id}/evidence lists it"
        )
    # It goes out as it is kept, so that a large one is never unpacked here.
    headers = {"content-encoding": "gzip", "etag": f'"{kept.sha256}"'}
    return Response(await bundles.read(kept), media_type=MediaType.JSON, headers=headers)


HANDLERS = [list_evidence, get_evidence]
