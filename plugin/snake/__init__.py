"""snaked: a daemon whose commands are answered by Python generator functions.

`co2-snaked -genus NAME` runs one as a program, `X_Snake` runs any number in a satellite; HTCondor's
own clients talk to them as to any daemon of theirs. `docs/snake.md` is the guide.

Rooms: `classads` (the language), `cedar` (the protocol, no I/O), `language` (configuration),
`handlers` (the user's generators), `daemon` (sockets, timers, files); `converse` and `snaked` are
the door to co2.
"""

__all__ = ["snaked"]
