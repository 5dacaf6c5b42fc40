"""What the device answers who asks which settled trades may be netted (SETTLED 10).

    netting = nettings.decide(asked)        # which slots; on disk before it is told
    job = nettings.job(netting, day)        # a day's proof, made by `prover`
    proved = nettings.sign(netting, proofs)

The Wh asked about are chosen by who asks, and the answer says of each slot whether usage
reached them. So a day is asked about once: a slot asked about again with the same Wh has
the same answer, with others none, and is left out. So are days of which another disk may
have told something that this one does not know. Nothing at all is netted where the home
does not want it, and of a period that is shorter than this house is billed for. What is
left out stays the member's. This module must never tell a slot's usage but whether it
reached what was asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from meterseal_agent.keystore import Keys
from meterseal_agent.outbox.model import Chain, KeptDay
from meterseal_agent.outbox.netted import Told
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.seal.billing import Household
from meterseal_agent.seal.committer import Job, fresh_of
from meterseal_agent.seal.opening import fills
from meterseal_proto.commitment import Slot, commit
from meterseal_proto.committed import openings_of
from meterseal_proto.netting import (
    NettedDay,
    Netting,
    ProvedNetting,
    day_statement,
    left_of,
)
from meterseal_proto.netting_message import fitting
from meterseal_proto.units import MeterId, RegisterId

Bits: TypeAlias = Mapping[tuple[MeterId, RegisterId], int]
"""What each committed register's range proofs are of."""


class Nettings:
    """Answers for one agent; `willing` False nets nothing and tells nothing."""

    def __init__(
        self, outbox: Outbox, keys: Keys, house: Household, bits: Bits, *, willing: bool
    ) -> None:
        self._outbox = outbox
        self._root = keys.root
        self._key = keys.seal_key
        self._house = house
        self._bits = bits
        self._willing = willing

    def decide(self, asked: Netting) -> Netting | None:
        """Return which of the asked slots are netted, the same however often it is asked.

        None for a register that is none of ours, before the first reading since the
        start, and until accepted days fill the period: who asks again is answered.
        """
        chain = self._chain(asked)
        if chain is None:
            return None
        nothing = replace(asked, days=())
        if not self._willing or self._house.too_short(asked.begin, asked.end):
            return nothing
        sure = self._outbox.memory(chain)
        if sure is None:
            return None
        days = self._outbox.days_between(chain, asked.begin, asked.end)
        if not fills(days, asked.begin, asked.end):
            return None
        before = self._outbox.netted(chain, asked.begin, asked.end)
        # The log has openings, and no nettings: what another disk told is not in it.
        since = max(sure.since, sure.checked)
        known = {
            day.hash: day for day in days if day.first in before or day.first >= since
        }
        return self._told(chain, asked, known, before)

    def job(self, netting: Netting, day: NettedDay) -> Job | None:
        """Return what a day's proof needs; None when the day was told anew meanwhile."""
        chain = self._chain(netting)
        kept = None if chain is None else self._accepted(chain, day)
        if kept is None:
            return None
        place = Slot(
            *(netting.network, netting.meter, netting.register),
            *(day.first, day.step, self._outbox.revision(kept)),
        )
        blind_key = self._root.blind_key(netting.meter)
        left = left_of(day, openings_of(place, kept.values, blind_key))
        hidden = [commit(one.value, one.blinding) for one in left]
        said = day_statement(netting, day, self._bits_of(netting), hidden)
        return Job(kept.key, said, left, fresh_of(self._root))

    def sign(self, netting: Netting, proofs: Sequence[bytes]) -> ProvedNetting:
        """Return the answer, signed: what `decide` gave with a proof a day."""
        return ProvedNetting(netting, tuple(proofs), self._key.sign(netting.digest()))

    def _told(
        self,
        chain: Chain,
        asked: Netting,
        kept: Mapping[bytes, KeptDay],
        before: Mapping[int, Told],
    ) -> Netting:
        """Decide on each day, and keep what is told before it is.

        `kept` are the days by hash, `before` what was told of them, by their start.
        """
        told: dict[int, Told] = {}
        netted = []
        for want in asked.days:
            day = kept.get(want.header)
            if day is None or not _is_of(want, day):
                continue
            told[day.first] = before.get(day.first) or _reached(want, day)
            slots = _netted(want, day, told[day.first])
            if slots:
                netted.append(replace(want, slots=slots))
        whole = replace(asked, days=tuple(netted))
        found = fitting(whole, [self._bits_of(asked)] * len(netted))
        beyond = [day.first for day in netted[len(found.days) :]]
        until = beyond[0] if beyond else asked.end
        fresh = {
            first: slots
            for first, slots in told.items()
            if first < until and first not in before
        }
        if fresh:
            self._outbox.keep_netted(chain, fresh)
        return found

    def _accepted(self, chain: Chain, day: NettedDay) -> KeptDay | None:
        for kept in self._outbox.days_between(chain, day.first, day.first + 1):
            if kept.hash == day.header:
                return kept
        return None

    def _bits_of(self, netting: Netting) -> int:
        return self._bits[netting.meter, netting.register]

    def _chain(self, asked: Netting) -> Chain | None:
        wanted = asked.meter, asked.register
        if asked.network == self._house.network and wanted in self._bits:
            for chain in self._outbox.chains():
                if (chain.meter, chain.register) == wanted:
                    return chain
        return None


def _is_of(want: NettedDay, day: KeptDay) -> bool:
    """Tell whether what is asked about lies within the day as its seal has it."""
    same = (want.first, want.step) == (day.first, day.step)
    return same and want.slots[-1][0] < len(day.values)


def _reached(want: NettedDay, day: KeptDay) -> Told:
    """Return of every slot that is asked about whether usage reached its Wh."""
    return {place: (wh, (day.values[place] or 0) >= wh) for place, wh in want.slots}


def _netted(want: NettedDay, day: KeptDay, told: Told) -> tuple[tuple[int, int], ...]:
    """Return the slots that were told to be reached, asked about with the same Wh.

    A day that was told anew, bare, has no usage left that could be netted.
    """
    return tuple(
        (place, wh)
        for place, wh in want.slots
        if told.get(place) == (wh, True) and (day.values[place] or 0) >= wh
    )
