"""The statements other tests start from are what they say."""

from hypothesis import given, settings

from meterseal_proto.rating.statement import Statement
from meterseal_proto.rating.statement_json import read_statement, write_statement
from tests.support.statements import plain_statement, statements


def test_the_plain_statement_comes_to_what_it_says() -> None:
    assert plain_statement().total == 12_137


@settings(max_examples=50, deadline=None)
@given(statements())
def test_any_statement_is_read_as_it_was_written(statement: Statement) -> None:
    assert read_statement(write_statement(statement)) == statement
