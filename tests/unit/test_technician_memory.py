"""What a command remembers lies where only its user can lay it."""

from pathlib import Path

import pytest

from meterseal_agent.technician import memory


def test_without_a_home_variable_memory_is_in_the_users_own_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    file = memory.place(None, "address /dev/ttyUSB0").file
    assert file.is_relative_to(Path.home())
    assert file.name == "address-dev-ttyUSB0.json"
