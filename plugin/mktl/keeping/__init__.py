"""What is on disk: the home's files, persistent values, history."""
