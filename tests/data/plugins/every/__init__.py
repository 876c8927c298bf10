"""Gives and takes every type that XML-RPC has, for the clients of other languages."""

__all__ = ["every"]
