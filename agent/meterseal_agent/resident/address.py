"""Where the resident's page is: an address of the home's own network, and its names.

A page with a household's usage is bound to one private address that was written down by
hand. This module must never let it be bound to all interfaces, or to the internet.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

DEFAULT_PORT: Final = 8443
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}\.?){1,16}", re.ASCII)
_USUAL: Final = {True: 443, False: 80}


@dataclass(frozen=True, slots=True)
class Address:
    """An IP address and port to listen on, and a `name` browsers may use for it, or "".

    Raises ValueError for an address that is not of a private network, and for plain HTTP
    (`tls` False) anywhere but on this machine.
    """

    host: str
    port: int = DEFAULT_PORT
    name: str = ""
    tls: bool = True

    def __post_init__(self) -> None:
        here = ipaddress.ip_address(self.host)
        if here.is_global or here.is_unspecified or here.is_multicast:
            raise ValueError(
                f"host {self.host} is no address of a home's own network; give this"
                " machine's own, like 192.168.1.20"
            )
        if not self.tls and not here.is_loopback:
            raise ValueError(
                f"host {self.host} is not this machine: take tls = false out, a PIN"
                " crosses a network with TLS only"
            )
        if self.name and not _NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name!r} is no host name in lower case")

    @property
    def url(self) -> str:
        """The page's URL, as it is printed."""
        return f"http{'s' if self.tls else ''}://{self._host}{self._tail}/"

    @property
    def hosts(self) -> frozenset[str]:
        """What a browser that was sent here on purpose says in `Host`, in lower case."""
        named = [self._host, *([self.name] if self.name else [])]
        full = {f"{one}:{self.port}" for one in named}
        return frozenset(full | {f"{one}{self._tail}" for one in named})

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def _tail(self) -> str:
        return "" if self.port == _USUAL[self.tls] else f":{self.port}"
