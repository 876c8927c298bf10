"""What travels: requests, answers, records and reports; bytes and values, no I/O."""
