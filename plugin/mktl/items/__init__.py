"""Items and stores, at the daemon that owns them and at everybody else."""
