"""Bytes to values and back: XML-RPC documents. No I/O, no clock, no method names."""
