"""Settings of the module `mktl`; put your own copy into `plugin/mktl/` where you work."""

# The base directory; "" is $MKTL_HOME, or ~/.mKTL.
home = ""

# The stores that this host serves: 'store', 'alias', and either 'items' (descriptions, or the name
# of a JSON file in the base directory), or a configuration kept there under that alias. 'module'
# and 'subclass' name a Daemon class; other entries reach it as attributes of `arguments`.
# stores = [{"store": "bench", "alias": "main", "items": {"volts": {"type": "numeric"}}}]
stores: list[dict[str, object]] = []

# Stores of other co2 hosts, whose items are items here: 'store' and 'items', and 'host', the first
# part of the owner's host id, so that nobody else's news of that store are believed.
mirrors: list[dict[str, object]] = []

# How the stores are reached: interface, hostname, old_dialect, discovery_interface, discover,
# registries. mKTL has no access control: who reaches a port may set every item.
ways = {"interface": "127.0.0.1"}

# News of an item that go to other co2 hosts, a second.
publish_rate = 10.0

# Which other co2 hosts may set this one's items through their mirrors: the first parts of their
# host ids, as in ["124571645"]. None by default: a message has no level, and whoever may register
# at the relay can send one. True lets every host; calls of mktl.mktl.set need `call` in any case.
accept_sets: list[str] | bool = []

# History of every item, and the days that single values, minutes and hours are kept; only days
# that have values count, so that no clock that jumps deletes anything.
keep_history = True
history_days = (7, 90, 3650)
