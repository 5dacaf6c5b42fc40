"""Which certificates of agents stand for nobody any more: replaced, or without a key.

A certificate only lets an agent in; what it may seal is judged by its keys. This module
must never write, nor count a certificate out while its agent may still seal by it.
"""

from typing import Final

from cryptography import x509

from meterseal_aggregator.storage.database import Transaction

# An agent's certificates before its last replacement, and all of an agent none of whose
# meters has a key in force: a revocation ends those, nothing else does.
_DEAD: Final = """
SELECT json_extract(e.answer, '$.certificate_pem') FROM enrolments e
WHERE EXISTS (SELECT 1 FROM enrolments l JOIN enrolment_codes c ON c.id = l.code_id
    WHERE l.agent = e.agent AND l.id > e.id AND c.kind = 'replacement')
  OR NOT EXISTS (SELECT 1 FROM meters m JOIN registers r ON r.meter_id = m.id
    JOIN key_spans s ON s.register_id = r.id AND s.to_seq IS NULL
    WHERE m.agent = e.agent)
ORDER BY e.id
"""


async def version(tx: Transaction) -> int:
    """Return a number that grows with every change of meters, registers and keys."""
    ((number,),) = await tx.rows("SELECT version FROM claims_version")
    return int(number)


async def serials(tx: Transaction) -> frozenset[int]:
    """Return the serial numbers of certificates that should let nobody in."""
    return frozenset(
        x509.load_pem_x509_certificate(pem.encode()).serial_number
        for (pem,) in await tx.rows(_DEAD)
    )
