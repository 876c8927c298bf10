"""The worker's processes: the loop on stdin and stdout, commands, and the hand on the files."""
