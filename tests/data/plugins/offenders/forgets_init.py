"""Does not call the constructor of its base."""

from co2.api import Co2Plugin


class X_Forgets(Co2Plugin):
    def __init__(self, var_dict):
        self.anything = 1

    def receive(self, data_dict):
        raise AssertionError("it must not be loaded")
