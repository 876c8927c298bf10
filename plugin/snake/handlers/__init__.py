"""The user's code: how it is imported privately, what it yields, what formats read."""
