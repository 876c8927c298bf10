"""Settings of the module `guest`; put your own copy into `plugin/guest/` where you work."""

# Files are written below this folder. For any other than "/" no programs are started.
root = "/"

# Write nothing and start nothing; commands answer as if they had.
dry_run = False

# Whose network files resetnetwork writes, such as "netplan"; "" finds out.
distribution = ""

# The only commands that run (None for all), and those that do not.
allow = None
block: list[str] = []

# Hosts whose messages are requests: the random parts of their host ids. Others have to call.
accept_from: list[str] = []
