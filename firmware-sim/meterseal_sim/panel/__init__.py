"""The panel: a street of meters on the screen, with a fault at a key's distance.

    rows (what is shown) < agent (what the agent says) < app (the screen, keys and servers)

Needs textual, which the command line imports only for it. Must never hold up the
meters: they answer in the same loop.
"""
