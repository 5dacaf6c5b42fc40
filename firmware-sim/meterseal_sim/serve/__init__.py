"""Meters on the wire: Modbus TCP, Modbus RTU on TCP, on terminals and on serial ports.

    ports (bytes) > wire (time) > rtu | tcp (frames) > bus (meters) > lines (who serves what)

A meter's answer is computed at the moment of the question; there is no store to keep
filled. Must never answer two questions of one line at once: there is one bus behind it.
"""

from meterseal_sim.serve.lines import close_all, lines_of, open_all
from meterseal_sim.serve.tcp import MAX_CLIENTS, Line

__all__ = ["MAX_CLIENTS", "Line", "close_all", "lines_of", "open_all"]
