"""What is wanted on the chain is done there once: deeds, the rules of what is next, the run.

Nobody outside may sign or send.
"""
