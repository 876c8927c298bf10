"""What is to be gathered, and what a host lets others gather."""
