"""Pure: the telegrams that meters push or answer with, made from what a meter shows.

One module per format, each with `encode`: quantities (as `electrical` names them), the
meter's serial number and the second, to the bytes on the wire. They are written from
the standards; none may look at how the agent reads them, or a test of one against the
other would be worth nothing.
"""
