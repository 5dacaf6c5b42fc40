"""The trustee's HTTP: strict JSON in, one question to the desk, JSON or a problem out.

What may be asked is in `shapes`, how no is said in `problems`. Who may ask at all, the TLS
door decided (`app.py`). This module must never hold a rule, and never answer with what was
sent.
"""

from http import HTTPStatus
from typing import Final, TypeVar

from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse

from meterseal_proto.units import MeterId
from meterseal_proto.witness import PATH as ADD_CHECKPOINT
from meterseal_trustee import problems, shapes
from meterseal_trustee.bodies import read_body
from meterseal_trustee.checkpoints import add_checkpoint
from meterseal_trustee.desk import Desk, spelled
from meterseal_trustee.shapes import (
    BlameBody,
    MasksBody,
    RosterBody,
    SeedsBody,
    SetBody,
    TotalBody,
)
from meterseal_trustee.witness import Witness

MAX_BODY_BYTES: Final = 4 << 20
"""The largest set has 2,000 members of some 800 bytes each."""
_B = TypeVar("_B", bound=BaseModel)


def build(desk: Desk, witness: Witness) -> FastAPI:
    """Return the API over an open desk and an open witness."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.desk = desk
    app.state.witness = witness
    app.get("/v1/trustee")(trustee)
    app.post("/v1/seeds")(seeds)
    app.post("/v1/rosters")(rosters)
    app.post("/v1/sets")(sets)
    app.post("/v1/masks")(masks)
    app.post("/v1/blames")(blames)
    app.post("/v1/chain-totals")(chain_totals)
    app.post(ADD_CHECKPOINT)(add_checkpoint)
    problems.install(app)
    return app


async def trustee(request: Request) -> JSONResponse:
    """Who this is: number, keys, network, and its key as a witness."""
    desk, witness = _desk(request), request.app.state.witness
    assert isinstance(witness, Witness)
    return JSONResponse(
        {
            "number": desk.public.number,
            "key": desk.public.text(),
            "fingerprint": desk.public.fingerprint(),
            "network": desk.settings.network.hex(),
            "witness": witness.cosigner.public.vkey,
        }
    )


async def seeds(request: Request) -> JSONResponse:
    """Keep a meter's seeds; the signature is what the meter may rely on."""
    body = await _read(request, SeedsBody)
    signed = await _desk(request).deposit(body.deposit())
    return JSONResponse({"meter": body.meter, "signature": signed.hex()})


async def rosters(request: Request) -> JSONResponse:
    """Propose a roster; 202 while it waits for a person to countersign it."""
    body = await _read(request, RosterBody)
    desk = _desk(request)
    found = await desk.propose(body.roster(desk.settings.network))
    answer = {"roster": found.roster.hex()}
    if found.signature is None:
        return JSONResponse(answer, HTTPStatus.ACCEPTED)
    return JSONResponse(answer | {"signature": found.signature.hex()})


async def sets(request: Request) -> JSONResponse:
    """Sign the one set of a cell and day."""
    body = await _read(request, SetBody)
    desk = _desk(request)
    made = await desk.report(desk.place(body.cell, body.day), body.reported())
    return JSONResponse(
        {
            "trustee": desk.public.number,
            "statement": made.statement.hex(),
            "signature": made.signature.hex(),
        }
    )


async def masks(request: Request) -> JSONResponse:
    """Answer the sums of masks of a set all three trustees signed."""
    body = await _read(request, MasksBody)
    desk = _desk(request)
    answer = await desk.answer(
        desk.place(body.cell, body.day),
        bytes.fromhex(body.statement),
        [bytes.fromhex(one) for one in body.signatures],
    )
    said = {"trustee": desk.public.number, "signature": answer.signature.hex()}
    return JSONResponse(said | spelled(answer.sums))


async def blames(request: Request) -> JSONResponse:
    """Show mask commitments of single meters of a set whose total is not right."""
    body = await _read(request, BlameBody)
    desk = _desk(request)
    shown = await desk.blame(
        desk.place(body.cell, body.day),
        bytes.fromhex(body.statement),
        body.complaint(),
        {MeterId(bytes.fromhex(meter)) for meter in body.meters},
    )
    commitments = {
        meter.hex(): {str(seed): one.hex() for seed, one in sorted(by_seed.items())}
        for meter, by_seed in sorted(shown.commitments.items())
    }
    said = {"trustee": desk.public.number, "signature": shown.signature.hex()}
    return JSONResponse(said | {"commitments": commitments})


async def chain_totals(request: Request) -> JSONResponse:
    """Sign a proved total for the chain's contract."""
    body = await _read(request, TotalBody)
    desk = _desk(request)
    place, statement = desk.place(body.cell, body.day), bytes.fromhex(body.statement)
    signature = await desk.vouch(place, statement, body.total())
    return JSONResponse({"trustee": desk.public.number, "signature": signature.hex()})


def _desk(request: Request) -> Desk:
    desk = request.app.state.desk
    assert isinstance(desk, Desk)
    return desk


async def _read(request: Request, kind: type[_B]) -> _B:
    return shapes.read(await read_body(request, MAX_BODY_BYTES), kind)
