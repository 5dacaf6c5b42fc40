"""The seed of every random rig: fixed in CI, fresh every night."""

import os

VARIABLE = "METERSEAL_TEST_SEED"
SEED = int(os.environ.get(VARIABLE, "20261121"))
NIGHTS = 5 if VARIABLE in os.environ else 1
"""How many times over the slow rigs run what CI runs once: a given seed means the night."""
