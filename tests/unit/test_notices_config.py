"""The table of notices: what would speak in the open, or reach nobody, is refused."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from meterseal_aggregator.app.mailroom import open_mailroom
from meterseal_aggregator.config.notices import Notices
from meterseal_aggregator.config.tables import ConfigError
from meterseal_aggregator.notices.duty import SILENT_AFTER_S
from meterseal_aggregator.notices.model import Way

WHOLE = """
link = "https://street.example/app"
silent_after_s = 7200
file = "/tmp/letters.jsonl"
operators = [{ way = "email", address = "ops@street.example" }]
[smtp]
host = "mail.street.example"
sender = "billing@street.example"
username = "billing"
password_file = "PASSWORD"
[sms]
url = "http://127.0.0.1:9000/send"
token_file = "PASSWORD"
[webhooks]
private = true
"""


def read(text: str) -> Notices:
    return Notices.model_validate(tomllib.loads(text))


async def test_everything_configured_is_open(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("xyzzy\n")
    secret.chmod(0o600)
    notices = read(WHOLE.replace("PASSWORD", str(secret)))
    async with open_mailroom(notices, lambda: 0.0) as room:
        assert set(room.outlets) == set(Way)
        assert room.silent_after_s == 7_200
        assert [one.to for one in room.operator] == ["ops@street.example"]
        assert room.link == "https://street.example/app"
    secret.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        async with open_mailroom(notices, lambda: 0.0):
            pass


async def test_nothing_said_reaches_members_urls_alone() -> None:
    async with open_mailroom(Notices(), lambda: 0.0) as room:
        assert set(room.outlets) == {Way.WEBHOOK}
        assert (room.operator, room.silent_after_s) == ((), SILENT_AFTER_S)
    off = read("[webhooks]\nenabled = false")
    async with open_mailroom(off, lambda: 0.0) as room:
        assert not room.outlets


async def test_an_authority_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    text = f'[sms]\nurl = "https://g.example"\nca = "{tmp_path / "ca.pem"}"'
    with pytest.raises(ConfigError, match="holds no certificate"):
        async with open_mailroom(read(text), lambda: 0.0):
            pass


SMTP: dict[str, Any] = {"host": "m.example", "sender": "a@b.example"}


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ({"smtp": {**SMTP, "tls": "none"}}, "not this machine"),
        ({"smtp": {**SMTP, "username": "a"}}, "username with password_file"),
        ({"smtp": {**SMTP, "sender": "nobody"}}, "sender"),
        ({"sms": {"url": "http://gateway.example/x"}}, "https"),
        ({"sms": {"url": "ftp://gateway.example/x"}}, "pattern"),
        ({"operators": [{"way": "email", "address": "a@b.example"}]}, "configure"),
        ({"operators": [{"way": "sms", "address": "0700"}]}, "plus and digits"),
        ({"operators": [{"way": "webhook", "address": "https://x"}]}, "email"),
        ({"link": "https://street.example/"}, "pattern"),
        ({"silent_after_s": 5}, "greater"),
        ({"pigeons": True}, "not permitted"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused(
    table: dict[str, object], what: str
) -> None:
    with pytest.raises(ValidationError, match=what):
        Notices.model_validate(table)
