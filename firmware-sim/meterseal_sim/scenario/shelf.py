"""The scenarios and rehearsals that come with the simulator, and those in a file.

Must never take a file for a scenario of its own: a path wins over a name.
"""

from importlib.resources import files
from pathlib import Path

from meterseal_sim.refusal import Refused
from meterseal_sim.scenario.model import Scenario
from meterseal_sim.scenario.read import Given, read

SCENARIOS = "scenarios"
REHEARSALS = "rehearsals"


def names(kind: str) -> list[str]:
    """Return the names of the shipped SCENARIOS or REHEARSALS, in order."""
    shelf = files("meterseal_sim").joinpath(kind)
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in shelf.iterdir()
        if entry.name.endswith(".toml")
    )


def shipped(kind: str, name: str, given: Given) -> Scenario:
    """Return a shipped one by its name; raises Refused with the names there are."""
    known = names(kind)
    if name not in known:
        raise Refused(f"no such one in {kind}: {name!r}: choose {', '.join(known)}")
    found = files("meterseal_sim").joinpath(kind, f"{name}.toml")
    return read(found.read_text(encoding="utf-8"), name, given)


def opened(told: str, given: Given) -> Scenario:
    """Return the scenario of a file, or the shipped one of that name."""
    path = Path(told)
    if path.is_file():
        try:
            return read(path.read_text(encoding="utf-8"), path.name, given)
        except (OSError, UnicodeDecodeError) as trouble:
            raise Refused(f"{path} cannot be read: {trouble}") from None
    if path.suffix == ".toml" or "/" in told:
        raise Refused(f"{path} is not there: see `meterseal-sim list` for scenarios")
    return shipped(SCENARIOS, told, given)
