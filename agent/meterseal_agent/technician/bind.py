"""`bind`: the seal key says whose a meter is on the chain, for the registrar to hand in.

It needs no network and changes nothing. The owner asks for the binding himself
(`user-registry.request-meter`), the registrar checks who he is and brings this signature
(`bind-meter`); none of the three can do it alone. It must never sign anything but a binding
of this agent's own meter, in its own network.
"""

import argparse
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meterseal_agent.commissioning.enrol import starts
from meterseal_agent.config import load
from meterseal_agent.keystore import Keystore, KeystoreError
from meterseal_agent.outbox.model import Start
from meterseal_agent.technician.complaint import Complaint
from meterseal_proto.binding import Binding
from meterseal_proto.c32 import Principal
from meterseal_proto.enrolment import Genesis
from meterseal_proto.keys import Algorithm, PublicKey
from meterseal_proto.wallet import MAINNET_CHAIN

Say = Callable[[str], None]
FOR_EVER: Final = (
    "compare the owner with the wallet, letter by letter: who has its key gets what the meter"
    " earns. A binding is public for ever; a fresh address for each meter tells least."
)


@dataclass(frozen=True, slots=True)
class Signed:
    """A binding under the seal key's signature, with all that the registrar is asked for."""

    serial: str
    binding: Binding
    chain_id: int
    key: PublicKey
    signature: bytes

    def fields(self) -> dict[str, object]:
        """Return it as JSON has it; names are those of the contract's calls."""
        return {
            "meter": self.binding.meter.hex(),
            "owner": self.binding.owner.text(),
            "key": self.key.raw.hex(),
            "p256": self.key.algorithm is Algorithm.P256,
            "from_seq": self.binding.valid_from,
            "network": self.binding.network.hex(),
            "chain_id": self.chain_id,
            "signature": self.signature.hex(),
        }


def bind(options: argparse.Namespace, say: Say) -> int:
    """Sign that `--owner` holds `--meter` from `--from-seq` on, and print it."""
    folder = load(Path(options.config), os.environ).data_dir
    try:
        made = signed(folder, options.meter, options.owner, options.from_seq)
    except KeystoreError as error:
        raise Complaint(str(error)) from error
    if options.json:
        say(json.dumps(made.fields()))
        return 0
    say(f"meter {made.serial} is to be bound; the owner asks for it by request-meter")
    for name, value in made.fields().items():
        say(f"{name:<10} {value}")
    say(FOR_EVER)
    return 0


def signed(folder: Path, serial: str, owner: str, from_seq: int | None) -> Signed:
    """Return the signed binding of the meter `serial` that the agent in `folder` has.

    `from_seq` None is the first seal of the key in use. Raises Complaint for another
    network's owner and a meter that is not here, KeystoreError before enrolment.
    """
    store = Keystore(folder)
    answer = store.enrolled()
    chains = _chains(starts(store), serial)
    key = store.keys().seal_key
    genesis = Genesis(answer.chain_id, answer.registry, answer.log_key)
    wish = Binding(
        genesis.network,
        chains[0].meter,
        _owner(owner, answer.chain_id),
        from_seq or min(one.head.seq for one in chains) + 1,
    )
    signature = wish.sign(key, answer.chain_id)
    return Signed(serial, wish, answer.chain_id, key.public, signature)


def _chains(found: dict[str, tuple[Start, ...]], serial: str) -> tuple[Start, ...]:
    if serial not in found:
        raise Complaint(
            f"meter {serial} is not enrolled here; there are {', '.join(sorted(found))}"
        )
    return found[serial]


def _owner(text: str, chain_id: int) -> Principal:
    try:
        owner = Principal.parse(text)
    except ValueError as error:
        raise Complaint(f"--owner: {error}") from None
    if owner.address.mainnet != (chain_id == MAINNET_CHAIN):
        wanted = "SP or SM" if chain_id == MAINNET_CHAIN else "ST or SN"
        raise Complaint(
            f"--owner: {text} is of another chain; here addresses begin with {wanted}"
        )
    return owner
