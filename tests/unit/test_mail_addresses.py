"""An address is what it looks like: mail goes there, and names nobody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.notices.model import (
    Address,
    Kind,
    Letter,
    Undeliverable,
    Way,
)
from meterseal_aggregator.notices.outlets.smtp import (
    MailTls,
    SmtpOutlet,
    SmtpSettings,
)
from meterseal_aggregator.notices.preferences import WrongAddress, check

HIDDEN = "=?utf-8?q?ben=40example.org=2Cada?=@example.org"
"""Mail reads it as two addresses, of which the first is somebody else's."""
SETTINGS = SmtpSettings("127.0.0.1", 25, "billing@example.org", MailTls.NONE)


def _to(address: str) -> Letter:
    return Letter(
        "0f" * 16, Kind.BILL_ISSUED, 5, Address(Way.EMAIL, address), "a", "b", "c"
    )


@pytest.mark.parametrize(
    "address",
    [
        HIDDEN,
        "=?utf-8?b?YUB4LGI=?=@example.org",
        "ada@.",
        "ada@example.",
        "ada@-example.org",
        ".ada@example.org",
        "ada..b@example.org",
        "ada@" + "a" * 64 + ".org",
        "a" * 65 + "@example.org",
    ],
)
def test_an_address_that_mail_reads_otherwise_is_not_taken(address: str) -> None:
    with pytest.raises(WrongAddress):
        check(Address(Way.EMAIL, address))


@pytest.mark.parametrize(
    "address",
    ["ada@example.org", "ada.l+bills@mail.example.org", "o'hara=x?y@a-b.example"],
)
def test_an_address_as_people_have_them_is_taken(address: str) -> None:
    check(Address(Way.EMAIL, address))
    assert str(SmtpOutlet(SETTINGS).mail(_to(address))["To"]) == address


@given(
    st.text("ab.=?!_-'", min_size=1, max_size=12),
    st.text("ab.-0", min_size=1, max_size=8),
)
def test_what_is_taken_is_what_a_mail_says(local: str, domain: str) -> None:
    address = f"{local}@{domain}"
    try:
        check(Address(Way.EMAIL, address))
    except WrongAddress:
        return
    mail = SmtpOutlet(SETTINGS).mail(_to(address))
    assert str(mail["To"]) == address
    assert f"\r\nTo: {address}\r\n".encode() in mail.as_bytes()


def test_an_address_that_was_kept_before_is_not_written_to() -> None:
    with pytest.raises(Undeliverable):
        SmtpOutlet(SETTINGS).mail(_to(HIDDEN))
