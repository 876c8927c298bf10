"""The configuration: HTCondor's macros, the command table, and what a genus makes of them."""
