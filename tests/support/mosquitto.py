"""A real Mosquitto with the shipped configuration for tests, or a skip that says why."""

from pathlib import Path

from deploy.broker import SHIPPED, Broker, mosquitto
from deploy.freeport import free_port
from tests.support.data import absent

__all__ = ["SHIPPED", "Mosquitto", "free_port", "mosquitto_path"]


def mosquitto_path() -> str:
    """Return where Mosquitto is, or skip the test; in CI it must be there."""
    found = mosquitto()
    if found is None:
        absent("mosquitto is not installed: sudo apt install mosquitto")
    assert found is not None
    return found


class Mosquitto(Broker):
    """The demo's broker, on a free port; see `deploy.broker`."""

    def __init__(self, certificates: Path | None = None) -> None:
        super().__init__(mosquitto_path(), certificates)
        self.port = free_port()
