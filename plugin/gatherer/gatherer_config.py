"""What may be gathered on this host for others; see docs/gatherer.md.

Everything here is a rule of this host, and holds whatever the collecting side asks for. Patterns
are fnmatch's: * matches any characters, slashes too.
"""

# What may be read: a request for a path that none of these matches is refused.
readable = ["/*"]

# What is left out always, also below a directory that may be read.
never = [
    "/etc/shadow*",
    "/etc/gshadow*",
    "*/.ssh/id_*",
    "*/.gnupg/*",
    "/etc/ssl/private/*",
    "*admin.token",
    "*/ssh_host_*_key",
]

# Commands that may be run.
commands = ["*"]

# True: only what the profiles on this host list may be gathered, whoever asks.
only_profiles = False

# Folders with profiles of this host's own.
profile_dirs: list[str] = []

# Bytes at most of one request; 0: as the request says.
most = 0

# Seconds at most for one step of a request.
seconds = 600.0

# A directory that all paths are meant in, and that commands are run in; empty: the host itself.
root = ""
