"""Raise whenever they receive anything, each in its own way."""

from co2.api import Co2Plugin


class Silent(Exception):
    def __str__(self):
        raise RuntimeError("not even its text can be had")


class X_Raises(Co2Plugin):
    def receive(self, data_dict):
        raise RuntimeError("broken in receive")


class X_RaisesLater(Co2Plugin):
    async def receive(self, data_dict):
        raise RuntimeError("broken in an async receive")


class X_RaisesInThread(Co2Plugin):
    threaded = True

    def receive(self, data_dict):
        raise RuntimeError("broken in a threaded receive")


class X_RaisesTheUnspeakable(Co2Plugin):
    def receive(self, data_dict):
        raise Silent


class X_Leaves(Co2Plugin):
    def receive(self, data_dict):
        raise SystemExit(7)


class X_Spoils(Co2Plugin):
    """Changes what it gets: the others must not notice."""

    def receive(self, data_dict):
        data_dict["data"] = "spoilt"
        data_dict.clear()
