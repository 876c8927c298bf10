"""Settings of the module `mktl`; put your own copy into `plugin/mktl/` where you work."""

# The base directory; "" is $MKTL_HOME, or ~/.mKTL.
home = ""

# The stores that this host serves: 'store', 'alias', and either 'items' (descriptions, or the name
# of a JSON file in the base directory), or a configuration kept there under that alias. 'module'
# and 'subclass' name a Daemon class; other entries reach it as attributes of `arguments`.
# stores = [{"store": "bench", "alias": "main", "items": {"volts": {"type": "numeric"}}}]
stores: list[dict[str, object]] = []

# Stores of other co2 hosts, whose items are items here: 'store' and 'items'.
mirrors: list[dict[str, object]] = []

# How the stores are reached: interface, hostname, old_dialect, discovery_interface, discover,
# registries. mKTL has no access control: who reaches a port may set every item.
ways = {"interface": "127.0.0.1"}

# News of an item that go to other co2 hosts, a second.
publish_rate = 10.0

# Whether other co2 hosts may set this one's items, through their mirrors.
accept_sets = True

# History of every item, and the days that single values, minutes and hours are kept.
keep_history = True
history_days = (7, 90, 3650)
