"""The ledger from outside: entries, proofs, checkpoints, verification and export."""

from __future__ import annotations

import base64
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from grace.api.access import TheHouse, Viewer
from grace.api.paging import AskedEntries, Page, index_cursor
from grace.api.problems import ProblemError, documented, not_found
from grace.api.views import EntryView, View
from grace.model.events import EventType
from grace.record.ledger.verification import verify_lines

router = APIRouter(prefix="/api/log", tags=["log"])
LARGEST_INDEX = 2**53 - 1
Index = Annotated[int, Path(ge=0, le=LARGEST_INDEX)]
Size = Annotated[int | None, Query(ge=1, le=LARGEST_INDEX)]


class FindingView(View):
    fault: str
    line: int
    index: int | None
    what: str


class VerificationView(View):
    """What a whole reading of the log found; valid when nothing was."""

    valid: bool
    size: int
    root: str
    key: str | None
    erased: int
    findings: list[FindingView]


class CheckpointView(View):
    """A signed note of the log as it is now, and its key. Keep it: it binds everything up to `size`."""

    checkpoint: str
    key: str
    size: int


class InclusionView(View):
    """RFC 6962 audit path; hashes in base64."""

    index: int
    leaf_hash: str
    size: int
    root: str
    path: list[str]


class ConsistencyView(View):
    """RFC 6962 consistency proof; hashes in base64."""

    old_size: int
    old_root: str
    new_size: int
    new_root: str
    path: list[str]


@router.get("/entries")
def list_entries(
    _viewer: Viewer,
    house: TheHouse,
    wanted: AskedEntries,
    type_: Annotated[list[EventType] | None, Query(alias="type")] = None,
    run_id: Annotated[str | None, Query(max_length=64)] = None,
    incident_id: Annotated[str | None, Query(max_length=64)] = None,
) -> Page[EntryView]:
    """List entries, oldest first."""
    found = list(
        house.record.entries(
            index_cursor(wanted), types=type_ or None, run_id=run_id, incident_id=incident_id, limit=wanted.limit + 1
        )
    )
    kept = found[: wanted.limit]
    following = str(kept[-1].index) if len(found) > wanted.limit else None
    return Page(items=[EntryView.model_validate(entry.to_json()) for entry in kept], next_cursor=following)


@router.get("/entries/{index}", responses=documented(HTTPStatus.NOT_FOUND))
def get_entry(index: Index, _viewer: Viewer, house: TheHouse) -> EntryView:
    """Show one entry."""
    entry = house.record.entry(index)
    if entry is None:
        not_found("entry", str(index), "grace ledger")
    return EntryView.model_validate(entry.to_json())


@router.get("/verify")
def verify(_viewer: Viewer, house: TheHouse) -> VerificationView:
    """Read the whole log and check it as an outsider would; it takes a while for a long one."""
    report = verify_lines(house.record.export_lines(), key=house.record.verifier_key)
    return VerificationView(
        valid=report.is_valid,
        size=report.size,
        root=report.root,
        key=report.key,
        erased=report.erased,
        findings=[
            FindingView(fault=found.fault, line=found.line, index=found.index, what=found.what)
            for found in report.findings
        ],
    )


@router.get("/checkpoint")
def checkpoint(_viewer: Viewer, house: TheHouse) -> CheckpointView:
    """Sign the log as it is now."""
    note = house.record.checkpoint()
    return CheckpointView(checkpoint=note, key=house.record.verifier_key, size=int(note.splitlines()[1]))


@router.get("/proof/{index}", responses=documented(HTTPStatus.NOT_FOUND))
def proof(index: Index, _viewer: Viewer, house: TheHouse, size: Size = None) -> InclusionView:
    """Prove that an entry is in the log, or in its first `size` entries."""
    length = house.record.head().size
    if index >= (size or length) or (size or 0) > length:
        not_found("entry", str(index), f"The log has {length} entries")
    found = house.record.inclusion(index, size)
    return InclusionView(
        index=index,
        leaf_hash=_base64(found.leaf_hash),
        size=found.head.size,
        root=_base64(found.head.root),
        path=[_base64(node) for node in found.path],
    )


@router.get("/consistency")
def consistency(
    _viewer: Viewer,
    house: TheHouse,
    old: Annotated[int, Query(alias="from", ge=1, le=LARGEST_INDEX)],
    new: Annotated[int | None, Query(alias="to", ge=1, le=LARGEST_INDEX)] = None,
) -> ConsistencyView:
    """Prove that the first `from` entries are a beginning of the first `to`, or of all."""
    length = house.record.head().size
    upto = length if new is None else new
    if not old <= upto <= length:
        detail = f"From {old} to {upto} is not a stretch of a log with {length} entries."
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "range", detail, "GET /api/log/checkpoint tells its size")
    found = house.record.consistency(old, upto)
    return ConsistencyView(
        old_size=found.old.size,
        old_root=_base64(found.old.root),
        new_size=found.new.size,
        new_root=_base64(found.new.root),
        path=[_base64(node) for node in found.path],
    )


@router.get("/export", response_class=StreamingResponse, responses={200: {"content": {"application/jsonl": {}}}})
def export(_viewer: Viewer, house: TheHouse) -> StreamingResponse:
    """Write the whole log as JSON Lines, for `grace ledger verify`."""
    return StreamingResponse(house.record.export_lines(), media_type="application/jsonl")


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
