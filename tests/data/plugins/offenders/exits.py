"""Ends the process when it is imported, or would."""

raise SystemExit("out of here")
