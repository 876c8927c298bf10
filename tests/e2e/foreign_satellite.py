"""A satellite of nothing but the standard library: registers, serves `notify`, and nothing else.

A line of standard input is sent as data; a line of standard output is a message, as JSON.
"""
# ruff: noqa: T201  # tests read what it prints

import json
import sys
import threading
from xmlrpc.client import ServerProxy
from xmlrpc.server import SimpleXMLRPCServer


def notify(message):
    print(json.dumps(message), flush=True)
    return True


def speak(relay_url, host_id):
    for line in sys.stdin:
        with ServerProxy(relay_url) as relay:
            relay.relay.relay({"host_id": host_id, "data": line.strip()})


server = SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False)
server.register_function(notify)
with ServerProxy(sys.argv[1]) as relay:
    answer = relay.relay.register({"port": server.server_address[1]})
print(f"registered as {answer['host_id']}", flush=True)
threading.Thread(target=speak, args=(sys.argv[1], answer["host_id"]), daemon=True).start()
server.serve_forever()
