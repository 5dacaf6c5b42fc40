"""What a stranger needs to check us: units, seals, the log's proofs, evidence.

Everything here is pure: values in, values out. No module of this package may
touch a wire, a disk, a clock or a random source, and none imports a program.
"""
