"""Stands still until a test lets it go, and the reactor with it."""

import time
from pathlib import Path

from co2.api import Co2Plugin

LONGEST = 60.0
RELEASE = Path("release")
"""Made by the test, in the folder that the server runs in."""


class X_Blocks(Co2Plugin):
    def receive(self, data_dict):
        if data_dict["data"] == "block":
            end = time.monotonic() + LONGEST
            while not RELEASE.exists() and time.monotonic() < end:
                time.sleep(0.01)  # the loop that the log names
