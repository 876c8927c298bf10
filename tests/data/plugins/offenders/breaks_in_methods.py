"""Methods that fail, each in its own way."""

from co2.api import Co2Plugin

SECRET_PATH = "/etc/where/nobody/should/look"


class X_Methods(Co2Plugin):
    def x_raise(self):
        raise RuntimeError("broken in a method")

    def x_leave(self):
        raise SystemExit(7)

    def x_return_the_unsendable(self):
        return {"here": object()}

    def x_return_a_big_number(self):
        return [1, 2**70]

    async def x_raise_later(self):
        raise RuntimeError("broken in an async method")

    def x_recurse(self):
        return self.x_recurse()

    def __exit__(self):  # noqa: PLE0302  # as in 2003
        raise RuntimeError("broken in __exit__")
