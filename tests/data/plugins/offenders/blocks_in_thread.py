"""Says that it blocks, and so may: only its own messages wait."""

import threading

from co2.api import Co2Plugin

RELEASED = threading.Event()
LONGEST = 60.0


class X_Waits(Co2Plugin):
    threaded = True

    def receive(self, data_dict):
        if data_dict["data"] == "hang":
            RELEASED.wait(LONGEST)

    def x_wait(self):
        return RELEASED.wait(LONGEST)

    def __exit__(self):  # noqa: PLE0302  # as in 2003
        self.log(self, "the waiting plugin ends")


class X_Releases(Co2Plugin):
    def x_ping(self):
        return "pong"

    def x_release(self):
        RELEASED.set()
        return True
