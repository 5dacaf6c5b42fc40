"""Requests for renderings: a plain one, and any one, for laws."""

from hypothesis import strategies as st

from meterseal_aggregator.billing.rendering import (
    Language,
    Names,
    RenderRequest,
    Standing,
    UsageSeries,
)
from meterseal_proto.rating.statement import Statement, statement_hash
from meterseal_proto.rating.statement_json import write_statement
from meterseal_proto.units import EXPORT, IMPORT, RegisterId
from tests.support.statements import MAY, plain_statement, statements, texts

SALT = bytes(range(16))
NAMES = Names(
    "Zoë Müller",
    ("Rue de l'Église 5", "1000 Bruxelles"),
    "Sonnenstrom eG",
    "Flat 3, 1ESY1160",
)


def series(
    *, begin: int = MAY, days: int = 31, register: RegisterId = IMPORT
) -> UsageSeries:
    """Quarter hours that differ, the third of them estimated."""
    deltas = [50 + slot % 96 + 7 * (slot // 96) for slot in range(days * 96)]
    qualities = bytearray([17] * len(deltas))
    qualities[2] = 8
    return UsageSeries(register, begin, 900, deltas, bytes(qualities))


def request(
    language: Language = Language.EN,
    statement: Statement | None = None,
    names: Names = NAMES,
    standing: Standing | None = None,
    with_series: tuple[UsageSeries, ...] = (),
) -> RenderRequest:
    """A request for a statement, the plain one as a rule."""
    statement = plain_statement() if statement is None else statement
    document = write_statement(statement)
    digest = statement_hash(SALT, document)
    return RenderRequest(
        statement, document, digest, SALT, names, language, standing, with_series
    )


standings = st.builds(
    Standing,
    paid=st.integers(0, 10**12),
    late_fees=st.integers(0, 10**9),
    outstanding=st.integers(0, 10**12),
    disputed=st.integers(0, 10**9),
    arrears=st.integers(0, 10**12),
)


@st.composite
def requests(draw: st.DrawFn) -> RenderRequest:
    """Any statement for anybody, in any language, with or without series."""
    statement = draw(statements())
    names = Names(
        draw(texts), tuple(draw(st.lists(texts, max_size=3))), draw(texts), draw(texts)
    )
    rows = tuple(
        UsageSeries(
            register,
            statement.begin,
            step,
            draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=200)),
            b"",
        )
        for register in draw(st.lists(st.sampled_from((IMPORT, EXPORT)), max_size=2))
        for step in (draw(st.sampled_from((300, 900, 3600))),)
    )
    told = tuple(
        UsageSeries(
            row.register,
            row.begin,
            row.step,
            row.deltas,
            bytes(draw(st.sampled_from((0, 8, 9, 10, 17, 19))) for _ in row.deltas),
        )
        for row in rows
    )
    return request(
        draw(st.sampled_from(Language)),
        statement,
        names,
        draw(st.none() | standings),
        told,
    )
