"""Telegrams: the formats meters speak by themselves or when asked, each a pure decoder.

Every module here turns bytes into the same few words of `model`. Nothing here may open a
port, read a clock or repair what a meter sent: a telegram is right, or it is refused.
"""
