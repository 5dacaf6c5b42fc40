"""The seed of every random rig: fixed in CI, fresh every night."""

import os

VARIABLE = "METERSEAL_TEST_SEED"
SEED = int(os.environ.get(VARIABLE, "20261121"))
