# The settings of a co2 server, with their defaults. A name is taken as it stands after `=`;
# remove the `#` in front of a line to change it. docs/settings.md says more about each.

# --- who and where ----------------------------------------------------------------------------

# Where to listen, as a Twisted endpoint. Other machines reach what is not on loopback:
# that needs insecure = True as well.
# listen = "tcp:2004:interface=127.0.0.1"

# What passes messages on: "embedded" (this process), the URL of a relay, or None.
# relay = "embedded"
# relay = "http://192.168.1.5:2004/"

# Satellites to send to straight, with no relay between. Both sides list each other with one secret.
# peers = [("http://192.168.1.6:2004/", "a secret of at least 16 characters")]

# A name that people know this host by.
# nick = ""
# maintainer = ""
# maintainer_email = ""

# --- plugins ----------------------------------------------------------------------------------

# The plugin packages to load, in this order, and the folders where they are looked for first.
# plugin_list = ["example", "sysinfo"]
# plugin_dirs = ["plugin"]

# What a plugin's receive may take, in seconds, before it is reported as late.
# receive_timeout = 30

# --- state and rights -------------------------------------------------------------------------

# Where identity, admin token and roster are kept. None is state/<role>-<port>.
# state_dir = None

# Give strangers the level `call`. Needed to listen beyond loopback.
# insecure = False

# Names that requests may ask for (HTTP's Host), beside the addresses of this machine.
# hosts = []

# Take messages without a token from other machines too: programs of 2003 send none.
# allow_untokened = False

# Let admins of the relay be admins here, when they call through it.
# trust_relay_admin = False

# --- as a relay -------------------------------------------------------------------------------

# How long a satellite counts as there without being heard of; between two pings; how long one
# that is away is remembered. In seconds.
# lease = 60
# ping_interval = 15
# forget_after = 7 * 86400

# Relays that this one joins, each with its admin token.
# upstream = [("http://192.168.1.7:2004/", "that relay's admin token")]

# max_sats = 10000

# What one satellite may send: messages a second in the long run, and at once.
# message_rate = 5000
# message_burst = 10000

# --- limits -----------------------------------------------------------------------------------

# What of undelivered messages is kept: how long in seconds, how many, how many bytes.
# retention = (7 * 86400, 1_000_000, 1024 * 1024 * 1024)

# Seconds for one delivery, ping or registration to be answered.
# send_timeout = 10

# The largest request and answer, in bytes, and the most connections.
# max_body = 16 * 1024 * 1024
# max_connections = 20000

# Seconds for what is under way, and for every plugin's __exit__, when the server stops.
# stop_timeout = 10
