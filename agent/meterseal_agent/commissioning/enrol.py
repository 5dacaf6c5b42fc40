"""Enrolment: from a one-time code to a certificate, meter ids and the chains' heads.

The request is written to disk before it is sent and sent again as it was after a
crash, so the aggregator sees one request however often the installer tries. The same
call serves a replacement: then the answer says where each chain goes on. This module
must never send a secret: the seal key's public half and a proof of holding it suffice.
"""

import json
from collections.abc import Callable, Sequence
from typing import Final

from meterseal_agent.commissioning.private import private_values
from meterseal_agent.keystore import (
    NOT_ENROLLED,
    Keystore,
    KeystoreError,
    read_small,
    write_over,
)
from meterseal_agent.outbox.model import Start
from meterseal_proto.enrolment import (
    EnrolmentAnswer,
    EnrolmentRequest,
    Genesis,
    MeterRequest,
    RegisterHead,
    enrolment_hash,
    possession_digest,
)
from meterseal_proto.seal import Head
from meterseal_proto.units import METER_ID_BYTES, MeterId, obis_text

PATH: Final = "/v1/enrolments"

Post = Callable[[str, bytes], bytes]
"""Sends a JSON body to a path of the aggregator and returns the answer's body."""


def kept_request(store: Keystore, code: str) -> EnrolmentRequest | None:
    """Return the request already written for `code`, None when there is none."""
    text = read_small(store.paths.request)
    if text is None:
        return None
    try:
        request = EnrolmentRequest.from_json(text)
    except (KeyError, TypeError, ValueError) as error:
        raise KeystoreError(f"{store.paths.request} is damaged: {error}") from error
    return request if request.code == code else None


def make_request(
    store: Keystore, code: str, meters: Sequence[MeterRequest]
) -> EnrolmentRequest:
    """Write the request for `code` and return it; the keystore must be made."""
    key, csr_pem = store.keys().seal_key, store.csr_pem()
    request = EnrolmentRequest(
        code=code,
        csr_pem=csr_pem,
        algorithm=str(key.algorithm),
        seal_key=key.public.raw.hex(),
        possession=key.sign(possession_digest(code, csr_pem)).hex(),
        meters=tuple(meters),
    )
    write_over(store.paths.request, json.dumps(request.to_json()).encode())
    return request


def send(
    store: Keystore, request: EnrolmentRequest, post: Post, whose: str = ""
) -> EnrolmentAnswer:
    """Send the request, check that the answer fits it, and store what it gave.

    `whose` names the agent that a restored secret is of, "" where nobody knows. Raises
    what `post` raises, and KeystoreError for an answer that cannot be used.
    """
    raw = post(PATH, json.dumps(request.to_json()).encode())
    try:
        answer = EnrolmentAnswer.from_json(raw)
        starts_of(store, request, answer)
    except (KeyError, TypeError, ValueError) as error:
        raise KeystoreError(
            f"the aggregator's answer cannot be used: {error}"
        ) from error
    if whose not in ("", answer.agent):
        raise KeystoreError(
            f"the shares are agent {whose}'s and the code was for {answer.agent}: ask for"
            f" a replacement code for {whose}, and one for {answer.agent}"
        )
    store.keep_answer(answer, raw)
    return answer


def starts(store: Keystore) -> dict[str, tuple[Start, ...]]:
    """Return every enrolled meter's registers by serial; KeystoreError before enrolment."""
    answer = store.answer()
    text = read_small(store.paths.request)
    if answer is None or text is None:
        raise KeystoreError(NOT_ENROLLED)
    try:
        return starts_of(store, EnrolmentRequest.from_json(text), answer)
    except (KeyError, TypeError, ValueError) as error:
        raise KeystoreError(f"the enrolment on disk is damaged: {error}") from error


def starts_of(
    store: Keystore, request: EnrolmentRequest, answer: EnrolmentAnswer
) -> dict[str, tuple[Start, ...]]:
    """Return where each register starts, by serial; ValueError when the two do not fit."""
    ids = {meter.serial: _meter_id(meter.meter) for meter in answer.meters}
    missing = [m.serial for m in request.meters if m.serial not in ids]
    if missing:
        raise ValueError(f"it gives no id to meter {', '.join(missing)}")
    genesis = Genesis(answer.chain_id, answer.registry, answer.log_key)
    public = store.keys().seal_key.public
    heads = {(_meter_id(head.meter), head.register): head for head in answer.heads}
    shown = private_values(store)
    found: dict[str, tuple[Start, ...]] = {}
    for meter in request.meters:
        number = ids[meter.serial]
        chains: list[Start] = []
        for row in meter.registers:
            link = enrolment_hash(genesis.network, number, row, public)
            known = heads.get((number, obis_text(row.register)))
            head = _go_on(known, Head(0, link, row.at, row.value))
            read = shown.get((meter.serial, row.register)) if row.mode else None
            if row.mode and (read is None or read[0] != row.at):
                raise ValueError(
                    f"what {meter.serial} {obis_text(row.register)} showed is not in"
                    f" {store.paths.private}: enrol anew"
                )
            chains.append(
                Start(
                    *(number, row.register, row.step, meter.capacity_w, head),
                    *(row.bits, read, _opening(known) if row.mode else b""),
                )
            )
        found[meter.serial] = tuple(chains)
    return found


def _go_on(known: RegisterHead | None, fresh: Head) -> Head:
    """Return where the chain goes on: at the aggregator's head, else at its begin."""
    if known is None:
        return fresh
    head = Head(known.seq, bytes.fromhex(known.hash), known.end, known.value)
    if len(head.hash) != 32 or min(head.seq, head.end, head.value) < 0:
        raise ValueError(f"the head of {known.meter} {known.register} is no head")
    # A chain without a seal begins where we read it, and with our key: a replacement's
    # head has a sequence number.
    if head.seq == 0 and head != fresh:
        raise ValueError(f"{known.meter} {known.register} does not begin as we asked")
    return head


def _opening(known: RegisterHead | None) -> bytes:
    """Return what the next opening names, where another device began the chain."""
    if known is None or not known.seq:
        return b""
    digest = bytes.fromhex(known.opening)
    if len(digest) not in {0, 32}:
        raise ValueError(f"the opening of {known.meter} {known.register} is no digest")
    return digest


def _meter_id(text: str) -> MeterId:
    raw = bytes.fromhex(text)
    if len(raw) != METER_ID_BYTES:
        raise ValueError(f"{text!r} is no meter id")
    return MeterId(raw)
