"""A request as it may be printed: within the limits, its texts free of hidden controls.

A name may come from a file that anybody wrote: control characters could break a line of a
CSV file, and marks that turn the reading direction could turn an amount around. This
module must never change a number.
"""

import unicodedata
from dataclasses import replace
from typing import Final

from meterseal_aggregator.billing.rendering.limits import check
from meterseal_aggregator.billing.rendering.request import Names, RenderRequest
from meterseal_proto.rating.line import Line
from meterseal_proto.rating.statement import Segment, Statement

_TURNING: Final = frozenset(
    "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e"
) | frozenset("\u2066\u2067\u2068\u2069")
"""Marks of direction (Unicode 9, 2.1 to 2.6); joiners, which Hindi needs, are none."""
_HIDDEN: Final = frozenset({"Cc", "Cs", "Cn", "Co", "Zl", "Zp"})


def accepted(request: RenderRequest) -> RenderRequest:
    """Return the request with its texts cleaned; Unrenderable where it is too much."""
    check(request)
    names = request.names
    return replace(
        request,
        names=Names(
            cleaned(names.member),
            tuple(map(cleaned, names.address)),
            cleaned(names.issuer),
            cleaned(names.meter),
        ),
        statement=_statement(request.statement),
    )


def cleaned(text: str) -> str:
    """Return a text with a blank in place of each control or mark of direction."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " " if letter in _TURNING or unicodedata.category(letter) in _HIDDEN else letter
        for letter in text
    )


def _statement(statement: Statement) -> Statement:
    return replace(
        statement,
        number=cleaned(statement.number),
        currency=cleaned(statement.currency),
        corrects=cleaned(statement.corrects),
        replaces=cleaned(statement.replaces),
        segments=tuple(map(_segment, statement.segments)),
    )


def _segment(segment: Segment) -> Segment:
    return replace(segment, lines=tuple(map(_line, segment.lines)))


def _line(line: Line) -> Line:
    return replace(line, component=cleaned(line.component), part=cleaned(line.part))
