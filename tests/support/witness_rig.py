"""A real trustee program that witnesses a log, and the aggregator's client for it."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from meterseal_aggregator.app.witnesses import WitnessClient
from meterseal_aggregator.translog.witnessing import Witness
from meterseal_proto.cosignature import CosignerKey
from meterseal_proto.totals import SEEDS
from meterseal_trustee.keys import make_keys, open_keys
from tests.support.certificates import Authority
from tests.support.trustee_programs import Program, write_config
from tests.support.trusteeship import context_of


@dataclass(slots=True)
class WitnessProgram:
    """Trustee 0 as a witness, behind mutual TLS."""

    folder: Path
    program: Program
    key: CosignerKey

    @classmethod
    def start(cls, folder: Path, log_key: str) -> Self:
        """Make keys, certificates and configuration in `folder`, and start it."""
        authority = Authority(folder / "tls")
        authority.server()
        authority.client("aggregator")
        secrets = []
        for number in range(SEEDS):
            make_keys(folder / str(number) / "keys")
            secrets.append(open_keys(folder / str(number) / "keys", number))
        keys = [one.public for one in secrets]
        config = write_config(folder / "0", 0, keys, authority.directory)
        config.write_text(f'log_key = "{log_key}"\n{config.read_text()}')
        public = secrets[0].witness.public_key().public_bytes_raw()
        key = CosignerKey("meterseal/trustee-0", public)
        return cls(folder, Program.start(config, keys[0]), key)

    @property
    def database(self) -> Path:
        return self.folder / "0" / "trustee.sqlite"

    @property
    def tls(self) -> ssl.SSLContext:
        """Return what an aggregator presents to it, and whom it trusts."""
        return context_of(str(self.folder / "tls"), "aggregator")

    @property
    def client(self) -> WitnessClient:
        return WitnessClient(self.program.url, self.tls)

    @property
    def witness(self) -> Witness:
        """Return it as the aggregator has it from its configuration."""
        return Witness(self.key, self.client.post)

    def restart(self) -> None:
        """Kill it, now, and start it again on its own database."""
        self.program.stop(kill=True)
        self.program = Program.start(self.program.config, self.program.key)
