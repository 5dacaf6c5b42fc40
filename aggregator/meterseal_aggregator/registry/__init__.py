"""The registry: which key may seal which register of which meter, where, and for whom.

Meter point, meter and key each have a from and a to; nothing is ever forgotten, so what
was true at any moment can be asked later.
"""
