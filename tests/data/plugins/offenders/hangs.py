"""Waits, without blocking, for what never comes."""

from twisted.internet.defer import Deferred

from co2.api import Co2Plugin


class X_Hangs(Co2Plugin):
    async def receive(self, data_dict):
        if data_dict["data"] == "wait for ever":
            await Deferred()
