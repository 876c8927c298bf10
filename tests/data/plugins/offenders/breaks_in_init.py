"""Raises when it is made."""

from co2.api import Co2Plugin


class X_Init(Co2Plugin):
    def __init__(self, var_dict):
        raise RuntimeError("broken in __init__")
