"""What enrolment left on disk: keys, answer and chains, checked against the configuration.

It must never start an agent whose configuration names a meter it was not enrolled for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from meterseal_agent.commissioning.enrol import starts
from meterseal_agent.config import BrokerConfig, Config, ConfigError
from meterseal_agent.keystore import Keys, Keystore
from meterseal_agent.outbox.model import Start
from meterseal_agent.uplink.address import Address, Tls
from meterseal_agent.uplink.deliver import Peer
from meterseal_proto.enrolment import EnrolmentAnswer, Genesis
from meterseal_proto.units import MeterId, RegisterId, obis_text

DEFAULT_PORT: Final = 8883
"""MQTT over TLS, as registered with IANA."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """An enrolled agent's keys, answer and chains; `starts` are by the meter's serial."""

    keys: Keys
    answer: EnrolmentAnswer
    starts: Mapping[str, tuple[Start, ...]]
    address: Address

    @classmethod
    def load(cls, config: Config) -> Self:
        """Read and check them; KeystoreError or ConfigError says what to do."""
        store = Keystore(config.data_dir)
        answer = store.enrolled()
        found = starts(store)
        check_meters(config, found)
        return cls(store.keys(), answer, found, address(config.broker, answer, store))

    @property
    def network(self) -> bytes:
        """The network id, 32 bytes."""
        answer = self.answer
        return Genesis(answer.chain_id, answer.registry, answer.log_key).network

    @property
    def meter_ids(self) -> dict[str, MeterId]:
        """The meters' ids by serial."""
        return {serial: chains[0].meter for serial, chains in self.starts.items()}

    @property
    def chains(self) -> list[Start]:
        """Every enrolled register."""
        return [start for chains in self.starts.values() for start in chains]

    @property
    def committed(self) -> dict[tuple[MeterId, RegisterId], int]:
        """The bits of every committed register."""
        return {(c.meter, c.register): c.bits for c in self.chains if c.bits}

    @property
    def links(self) -> dict[tuple[MeterId, RegisterId], bytes]:
        """The enrolment hash of every committed register whose chain began here."""
        return {
            (c.meter, c.register): c.head.hash
            for c in self.chains
            if c.bits and not c.head.seq
        }

    @property
    def peer(self) -> Peer:
        """Whom the uplink talks to."""
        raw = bytes.fromhex(self.answer.receipt_key)
        return Peer(
            address=self.address,
            network_name=self.answer.network_name,
            agent=self.answer.agent,
            network=self.network,
            receipt_key=Ed25519PublicKey.from_public_bytes(raw),
        )


def address(broker: BrokerConfig, answer: EnrolmentAnswer, store: Keystore) -> Address:
    """Return where to dial: the enrolment's answer, where the configuration is silent.

    ConfigError when that is another machine and without TLS.
    """
    host, _, port = answer.broker.rpartition(":")
    if not host or not port.isdecimal():
        host, port = answer.broker, str(DEFAULT_PORT)
    paths = store.paths
    tls = answer.broker_tls if broker.tls is None else broker.tls
    try:
        return Address(
            host=broker.host or host.strip("[]"),
            port=broker.port or int(port),
            tls=Tls(paths.certificate, paths.tls_key, paths.ca) if tls else None,
            protocol=broker.protocol,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from error


def check_meters(config: Config, found: Mapping[str, tuple[Start, ...]]) -> None:
    """Raise ConfigError for the first meter that was not enrolled as it is configured."""
    for meter in config.meters:
        if meter.serial not in found:
            raise ConfigError(
                f"meter {meter.serial} is not enrolled; take it out of the "
                "configuration, or enrol an agent with an empty data_dir for it"
            )
        chains = found[meter.serial]
        if {c.register for c in chains} != set(meter.registers):
            names = ", ".join(obis_text(c.register) for c in chains)
            raise ConfigError(f"meter {meter.serial} was enrolled with {names}")
        if any(c.step != meter.step for c in chains):
            raise ConfigError(
                f"meter {meter.serial} was enrolled with a step of {chains[0].step} s"
            )
        if any(c.bits != meter.bits_of(c.register) for c in chains):
            modes = ", ".join(f"{obis_text(c.register)} {_mode(c)}" for c in chains)
            raise ConfigError(
                f"meter {meter.serial} was enrolled as {modes}, and mode and bits stay"
                " for as long as the enrolment does: write them as they were, or have"
                " the operator take the meter out of service at the end of a billing"
                " period and enrol it anew, with an empty data_dir"
            )


def _mode(chain: Start) -> str:
    return f"committed with {chain.bits} bits" if chain.bits else "open"
