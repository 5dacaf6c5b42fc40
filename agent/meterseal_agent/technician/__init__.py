"""The technician's commands: what is asked of meters, lines and captures by hand.

Each module is one command. It must never seal, enrol or change what the running agent
keeps: whoever measures does not write.
"""
