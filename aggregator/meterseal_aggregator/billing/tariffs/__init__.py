"""Tariffs in full, by which bills are made: their versions, each from a second on.

It must never change a version, nor let a bill name anything but one exact document.
"""
