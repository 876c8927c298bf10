"""A process that is an HTCondor client: it runs requests in order, and prints what came of each.

`python client_process.py ADDRESS`, and the requests come by standard input, a JSON list of lists:
a name of the functions below and its arguments. What a request raised is `["raised", type, text]`.
"""

import json
import sys

import classad2
import htcondor2


def plain(ad):
    """Give an ad as a dict of its values, unevaluated expressions as text."""
    return {name: _value(ad[name]) for name in ad}


def _value(value):
    if isinstance(value, classad2.Value):
        return {"value": value.name}
    if isinstance(value, classad2.ExprTree):
        return {"expression": str(value)}
    if isinstance(value, classad2.ClassAd):
        return {"ad": plain(value)}
    return [_value(item) for item in value] if isinstance(value, list) else value


def query(address, kind, constraint="true", projection=()):
    """Query a collector."""
    ads = htcondor2.Collector(address).query(
        getattr(htcondor2.AdType, kind), constraint, list(projection)
    )
    return [plain(ad) for ad in ads]


def query_until(address, count, kind):
    """Query until so many ads are there: nobody acknowledges an update."""
    for _ in range(500):
        found = query(address, kind)
        if len(found) >= count:
            return found
    return found


def ping(address, level):
    """Ask whether a level would pass, and who we are."""
    ad = htcondor2.ping(address, level)
    return [ad["AuthorizationSucceeded"], ad.get("MyRemoteUserName"), ad["Encryption"]]


def advertise(address, ads, command):
    """Send ads to a collector; each is the text of one."""
    htcondor2.Collector(address).advertise([classad2.ClassAd(ad) for ad in ads], command)


def jobs(address):
    """Query a schedd's jobs; unlike a query of a collector it shows why it was refused."""
    return [plain(ad) for ad in htcondor2.Schedd(_where(address, "Scheduler")).query()]


def numbers(address, names):
    """Give the number that each command's name has in the bindings, which a ping tells."""
    return [htcondor2.ping(address, name)["AuthCommand"] for name in names]


def reconfigure(address):
    """Send DC_RECONFIG, as condor_reconfig does."""
    htcondor2.send_command(_where(address, "DaemonMaster"), htcondor2.DaemonCommand.Reconfig)


def _where(address, kind):
    where = {
        "MyAddress": address, "MyType": kind, "Name": "snake", "Machine": "snake",
        "CondorVersion": htcondor2.version(), "CondorPlatform": htcondor2.platform(),
    }  # fmt: skip
    return classad2.ClassAd(where)


def run(address, name, *arguments):
    """Run one request."""
    try:
        return globals()[name](address, *arguments)
    except Exception as error:
        return ["raised", type(error).__name__, str(error)]


if __name__ == "__main__":
    done = [run(sys.argv[1], *request) for request in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(done))
