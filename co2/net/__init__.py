"""Sockets and files: the HTTP server, HTTP peers, SQLite."""
