"""Verdicts become signed receipts, coalesced: one for each agent, whatever it sent.

A register's accepted seals are answered by the last of them, everything else singly
with its reason. This module must only be called after the commit: what it signs, the
aggregator is held to.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_aggregator.intake.judge import Judged, RegisterKey
from meterseal_aggregator.intake.port import Reply
from meterseal_proto.receipt import (
    MAX_ANSWERS,
    Answer,
    Receipt,
    Refusal,
    sign_receipt,
)


@dataclass(slots=True)
class _Answers:
    """What one agent is told."""

    durable: dict[RegisterKey, Answer] = field(default_factory=dict)
    refused: dict[bytes, Refusal] = field(default_factory=dict)


def receipts(
    judged: Iterable[Judged], network: bytes, log_by: int, key: Ed25519PrivateKey
) -> list[Reply]:
    """Return the replies to a committed batch, at most MAX_ANSWERS answers each.

    `log_by` is when the log will hold what they call durable, in UTC Unix seconds.
    """
    by_agent: dict[str, _Answers] = {}
    for one in judged:
        _note(by_agent.setdefault(one.offer.agent, _Answers()), one)
    return [
        Reply(agent, sign_receipt(receipt, key))
        for agent, answers in by_agent.items()
        for receipt in _split(answers, network, agent, log_by)
    ]


def _note(answers: _Answers, one: Judged) -> None:
    header, digest, reason = one.offer.seal.header, one.offer.digest, one.verdict.reason
    if reason is not None:
        answers.refused[digest] = Refusal(
            header.meter, header.register, header.seq, digest, reason
        )
        return
    place = (header.meter, header.register)
    last = answers.durable.get(place)
    if last is None or last.seq < header.seq:
        answers.durable[place] = Answer(*place, header.seq, digest)


def _split(
    answers: _Answers, network: bytes, agent: str, log_by: int
) -> Iterator[Receipt]:
    durable = tuple(answers.durable.values())
    refused = tuple(answers.refused.values())
    count = len(durable)
    for at in range(0, count + len(refused), MAX_ANSWERS):
        until = at + MAX_ANSWERS
        singly = refused[max(0, at - count) : max(0, until - count)]
        yield Receipt(network, agent, log_by, durable[at:until], singly)
