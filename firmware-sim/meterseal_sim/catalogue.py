"""The meter models on the shelf: reads `profiles/*.toml`, nothing else.

Must never guess: a name that fits no profile, or several, is refused.
"""

from functools import lru_cache
from importlib.resources import files

from meterseal_sim.profile import Profile, parse
from meterseal_sim.refusal import Refused


@lru_cache(maxsize=1)
def profiles() -> dict[str, Profile]:
    """Return every shipped profile by its name, in alphabetical order."""
    shelf = files("meterseal_sim").joinpath("profiles")
    found = [
        parse(entry.read_text(encoding="utf-8"))
        for entry in shelf.iterdir()
        if entry.name.endswith(".toml")
    ]
    return {profile.name: profile for profile in sorted(found, key=lambda p: p.name)}


def profile(name: str) -> Profile:
    """Return the profile of that name; its end will do (`sdm120`).

    Raises Refused with the names there are.
    """
    shelf = profiles()
    fits = [found for found in shelf if found == name or found.endswith(f"-{name}")]
    if len(fits) != 1:
        raise Refused(f"no meter profile {name!r}: choose one of {', '.join(shelf)}")
    return shelf[fits[0]]
