"""Settings, options and commands: from what a person wrote to a running service."""
