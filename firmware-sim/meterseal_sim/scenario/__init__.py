"""Scenarios: a street, its lines, its meters and their faults in one TOML file.

    table (typed keys) > model (words) > read (a file) > shelf (those we ship)

Every key that is not known is refused in one sentence. Must never open a line: a
scenario says what there is, `stand.py` puts it up.
"""
