"""Modbus: one line with one request in flight, three ways to carry it, meters on it.

    line = Line(TcpTransport("192.168.1.20", 502))                     # a meter, a gateway
    line = Line(RtuTransport(SerialPlace("/dev/serial/by-id/usb-A1")))  # RS-485
    line = Line(RtuTransport(TcpPlace("192.168.1.21", 4001)))          # a device server
    meter = ModbusMeter(line, 1, profile.load("eastron-sdm630"))
    sample = await meter.read(now)

What commissioning asks for stands on the same line, and its troubles tell apart what a
technician must tell apart: Silent (nobody there), Garbled (noise, or two units at one
address), Refused (somebody there, with a Modbus exception):

    words = await line.read(unit, 4, Block(0, 2), timeout_s=0.2)
    await line.write(unit, Request.write_many(20, (0, 17008)), timeout_s=0.8)

Only `tcp` knows pymodbus. Nothing here may take a late answer for the next one.
"""

from meterseal_agent.meters.modbus.line import TIMEOUT_S, Line, Transport
from meterseal_agent.meters.modbus.meter import ModbusMeter, Timing
from meterseal_agent.meters.modbus.request import Garbled, Refused, Request
from meterseal_agent.meters.modbus.rtu import RtuTransport
from meterseal_agent.meters.modbus.tcp import TcpTransport

__all__ = [
    "TIMEOUT_S",
    "Garbled",
    "Line",
    "ModbusMeter",
    "Refused",
    "Request",
    "RtuTransport",
    "TcpTransport",
    "Timing",
    "Transport",
]
