"""Settings of the module `snaked`; each variable becomes an attribute of its plugin.

Put a file of this name into `plugin/snake/` of your working directory to have your own.
"""

# The genera that run in this satellite.
genera: list[str] = []

# The configuration file that they share; None for $CONDOR_CONFIG.
config: str | None = None
