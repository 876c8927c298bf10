"""Stands still for a while, and the reactor with it."""

import time

from co2.api import Co2Plugin

SECONDS = 1.5


class X_Blocks(Co2Plugin):
    def receive(self, data_dict):
        if data_dict["data"] == "block":
            time.sleep(SECONDS)  # the line that the log names

    def x_block(self):
        time.sleep(SECONDS)
        return True
