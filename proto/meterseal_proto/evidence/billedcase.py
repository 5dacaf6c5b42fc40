"""A ZIP about a bill: its files with what the reader knows, each read when it is asked for.

What does not read is Wrong for the claim that answers for it, and Unasked for the others
(`claims.given`). This module must never say whether what it reads is true.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from meterseal_proto.bill import ProvedBill
from meterseal_proto.claims import Wrong
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.billedload import Netted, read_netted
from meterseal_proto.evidence.claims import Case, given
from meterseal_proto.evidence.nettingfile import read_netting
from meterseal_proto.netting import ProvedNetting
from meterseal_proto.privatefile import PrivateFile, parse_private
from meterseal_proto.rating.statement import Statement
from meterseal_proto.rating.statement_json import read_statement
from meterseal_proto.rating.tariff import FullTariff, parse_full_tariff

MAX_TARIFFS: Final = 16
"""Versions of a tariff in one bill: one a month, and some."""


@dataclass(frozen=True)
class Billed(Case):
    """A ZIP about a bill."""

    @cached_property
    def statement(self) -> Statement:
        """The document."""
        return self.read(parts.STATEMENT, read_statement)

    @cached_property
    def earlier(self) -> Statement:
        """The document that this one takes back, or stands in for."""
        return self.read(parts.EARLIER, read_statement)

    @cached_property
    def previous(self) -> Statement:
        """The supply's bill before this one."""
        return self.read(parts.PREVIOUS, read_statement)

    @cached_property
    def tariffs(self) -> dict[bytes, FullTariff]:
        """The tariffs, by hash."""
        names = [parts.numbered(parts.TARIFF, n) for n in range(1, MAX_TARIFFS + 1)]
        read = [self.read(name, parse_full_tariff) for name in names if self.has(name)]
        return {tariff.hash(): tariff for tariff in read}

    @cached_property
    def netted(self) -> tuple[Netted, ...]:
        """What of neighbours' Wh the bill took off, by the market's slots."""
        return self.read(parts.NETTED, read_netted) if self.has(parts.NETTED) else ()

    @cached_property
    def netting(self) -> ProvedNetting | None:
        """What a private register's device netted, None where no file says so."""
        if not self.has(parts.NETTING):
            return None
        network = given(lambda: self.genesis, parts.NETWORK).network
        return self.read(parts.NETTING, lambda data: read_netting(data, network))

    @cached_property
    def known(self) -> Statement:
        """The statement, for claims that do not answer for it."""
        return given(lambda: self.statement, parts.STATEMENT)

    def private(self, number: int) -> PrivateFile:
        """Return a private register's own file."""
        return self.read(parts.numbered(parts.PRIVATE, number), parse_private)

    def signed(self, number: int) -> ProvedBill:
        """Return the bill that a private register's device signed."""
        evidence = self.private(number).bill
        if evidence is None:
            raise Wrong("it holds no bill that the device signed")
        return evidence.bill
