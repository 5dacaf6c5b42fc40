"""What a private register's device netted, as evidence: its proofs, and the key that signed.

Reads `netting_requests`, `netting_slots` and `netting_proofs` (privacy), `key_spans` and
`meter_keys` (registry), `log_entries` (translog). This module must never tell what a device
was asked and did not net.
"""

from typing import Final

from meterseal_aggregator.billing.evidence import readings
from meterseal_aggregator.billing.evidence.model import Entries
from meterseal_aggregator.privacy.errands import nettings
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto.enrolment import Genesis
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.nettingfile import write_netting

_FIRST_SEQ: Final = 1


async def of_bill(
    tx: Transaction,
    period: tuple[int, int, int],
    genesis: Genesis,
    files: dict[str, bytes],
    entries: Entries,
) -> list[bytes]:
    """Add what was proved of a (register's row, begin, end); returns its key's entry.

    Rotten where a bill nets what no device proved, or a key of nobody signed it.
    """
    request = await nettings.of_period(tx, genesis.network, period)
    proved = None if request is None else await nettings.proved(tx, request)
    if proved is None:
        raise Rotten(f"netting_requests: none of register {period[0]} from {period[1]}")
    digest, consent = proved.netting.digest(), proved.consent
    events = await registry.key_events_from(tx, period[0], _FIRST_SEQ)
    signed = [
        entry_id for entry_id, key in events if key.public.verify(digest, consent)
    ]
    if not signed:
        raise Rotten(f"netting_requests: no key of register {period[0]} signed it")
    files[parts.NETTING] = write_netting(proved)
    return await readings.bodies(tx, signed[-1:], entries)
