"""Settings of the module `example`; each variable becomes an attribute of its plugins.

Put a file of this name into `plugin/example/` of your working directory to have your own.
"""

# How often X_Counter sends, in seconds.
seconds = 5.0
