"""The public log and its anchors, for everybody: C2SP tlog-tiles paths, and proofs as JSON.

Entries hold headers, signatures and keys, never usage. What was given away once never
changes, so tiles are cached for ever.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from meterseal_aggregator.stacks.anchors.store import AnchorRow, published
from meterseal_aggregator.translog import cosignatures, proofs, publish
from meterseal_aggregator.web.auth import TheSite
from meterseal_aggregator.web.problems import not_found
from meterseal_aggregator.web.shapes import MAX_ID, AfterId, Limit, Page, View, cursor

router = APIRouter(prefix="/v1", tags=["log"])

IMMUTABLE: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
SHORT: Final = {"Cache-Control": "public, max-age=1"}
MAX_PATH: Final = 64
"""Characters of a tile's path; the longest real one has 40."""

Index = Annotated[int, Query(ge=0, le=MAX_ID)]
Size = Annotated[int, Query(ge=1, le=MAX_ID)]


class NetworkView(View):
    """What a network is: its genesis document and public keys, hex; the log's vkey."""

    network: str
    name: str
    genesis: str
    chain_id: int
    registry: str
    log_key: str
    receipt_key: str


class InclusionView(View):
    """A proof that entry `index` is in the tree of `size` (RFC 9162 2.1.3), hex."""

    index: int
    size: int
    root: str
    proof: list[str]
    checkpoint: str


class ConsistencyView(View):
    """A proof that the tree of `second` extends that of `first` (RFC 9162 2.1.4), hex."""

    first: int
    second: int
    first_root: str
    second_root: str
    proof: list[str]


class AnchorView(View):
    """A published root; `proves` tells whether a stranger may rely on the publisher."""

    publisher: str
    proves: bool
    size: int
    root: str
    reference: str
    published_at: int


@router.get("/network")
async def show_network(site: TheSite) -> NetworkView:
    """Show the network's genesis document and keys."""
    terms, genesis = site.terms, site.terms.genesis
    return NetworkView(
        network=genesis.network.hex(),
        name=terms.network_name,
        genesis=genesis.document().hex(),
        chain_id=genesis.chain_id,
        registry=genesis.registry,
        log_key=genesis.log_key,
        receipt_key=terms.receipt_key.hex(),
    )


@router.get("/log/checkpoint", response_class=Response)
async def show_checkpoint(site: TheSite) -> Response:
    """Give the latest checkpoint, a signed note, with its witnesses' cosignatures."""
    async with site.database.reading() as tx:
        note = await publish.checkpoint(tx)
    if note is None:
        raise not_found("checkpoint yet")
    return Response(note, 200, SHORT, "text/plain; charset=utf-8")


@router.get("/log/tile/{path:path}", response_class=Response)
async def show_tile(path: str, site: TheSite) -> Response:
    """Give a tile or an entry bundle by its path (C2SP tlog-tiles)."""
    name = f"tile/{path}"
    async with site.database.reading() as tx:
        found = await publish.read(tx, name) if len(name) <= MAX_PATH else None
    if found is None:
        raise not_found("tile")
    return Response(found, 200, IMMUTABLE, "application/octet-stream")


@router.get("/log/inclusion")
async def prove_inclusion(index: Index, site: TheSite) -> InclusionView:
    """Prove the entry at an index under the latest checkpoint."""
    async with site.database.reading() as tx:
        found = await proofs.include_at(tx, index)
        if found is None:
            raise not_found("entry under a checkpoint")
        note = await cosignatures.note(tx, found.head)
    return InclusionView(
        index=found.index,
        size=found.head.size,
        root=found.head.root.hex(),
        proof=[step.hex() for step in found.proof],
        checkpoint=note,
    )


@router.get("/log/consistency")
async def prove_consistency(
    first: Size, second: Size, site: TheSite
) -> ConsistencyView:
    """Prove that the log at one size extends the log at another."""
    async with site.database.reading() as tx:
        found = await proofs.consist(tx, first, second)
    if found is None:
        raise not_found("pair of sizes")
    return ConsistencyView(
        first=found.first,
        second=found.second,
        first_root=found.first_root.hex(),
        second_root=found.second_root.hex(),
        proof=[step.hex() for step in found.proof],
    )


@router.get("/anchors")
async def list_anchors(
    site: TheSite, after: AfterId = 0, limit: Limit = 100
) -> Page[AnchorView]:
    """List published roots by size. The file publisher proves nothing."""
    async with site.database.reading() as tx:
        found = await published(tx, after=after, limit=limit)
    items = [_anchor(row, site.proving) for row in found]
    return Page(items=items, next=cursor(found, limit, _size))


def _anchor(row: AnchorRow, proving: frozenset[str]) -> AnchorView:
    assert row.reference is not None
    assert row.published_at is not None
    return AnchorView(
        publisher=row.publisher,
        proves=row.publisher in proving,
        size=row.size,
        root=row.root.hex(),
        reference=row.reference,
        published_at=row.published_at,
    )


def _size(anchor: AnchorRow) -> int:
    return anchor.size
