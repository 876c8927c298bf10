"""Where work is done: the reactor, threads for what blocks, and order in between."""
