"""Meters: profiles as data, pure decoding and planning, and the wires behind one port.

Energy leaves this package as whole watt-hours; a float must never leave it.
"""
