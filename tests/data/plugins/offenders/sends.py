"""Sends when and where it should not, and what cannot travel."""

import threading

from co2.api import Co2Plugin


class X_Sends(Co2Plugin):
    def __init__(self, var_dict):
        super().__init__(var_dict)
        self.send({"data": "sent in __init__"})
        threading.Thread(target=self.send, args=({"data": "sent in a thread"},)).start()

    def x_send_the_unsendable(self):
        self.send({"data": {"here": [object()]}})

    def x_send_nothing(self):
        self.send("no dict")

    def x_send_in_threads(self, count: int) -> bool:
        threads = [
            threading.Thread(target=self.send, args=({"data": f"thread {number}"},))
            for number in range(count)
        ]
        for thread in threads:
            thread.start()
        return True
