"""Claims names that are taken, or that it has no right to."""

from co2.api import Co2Plugin


class X_First(Co2Plugin):
    def x_mine(self):
        return "first"


class X_Second(Co2Plugin):
    def x_mine(self):
        return "second"
