"""MQTT's two adapters of the uplink port: our own endpoint, and a broker's client.

`endpoint` and `broker` are what others use; the rest is theirs. Nothing here may read a
payload: intake does.
"""
