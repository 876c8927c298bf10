"""The file system: what a pattern brings, what may be read, and how it is read and copied."""
