"""Takes out of contents and names what would tell who and where."""
