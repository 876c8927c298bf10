"""The daemon of one genus: sockets, timers, files, and what holds them together."""
