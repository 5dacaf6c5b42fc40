"""Meters to practise on: a street of Modbus meters that no wire can hurt.

The simulator shows what real meters would show, from the vendors' documents
and real or invented homes. It must never share a register map with the agent:
two independent readings of one page are what the port tests compare.
"""
