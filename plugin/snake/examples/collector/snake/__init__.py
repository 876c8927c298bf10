"""A toy collector: it takes ads of any daemon, and answers queries of any tool.

What a real one has and this has not: expiry, forwarding, statistics, persistence. Ads are kept in
a dict until they are invalidated or the code is loaded anew.

`end_of_message` is put here by snaked.
"""

import classad2

# (type, name in small letters) -> ad
ads = {}

QUERIES = {
    5: "machine", 6: "scheduler", 7: "daemonmaster", 12: "submitter", 20: "collector",
    43: "license", 46: "storage", 50: "negotiator", 56: "had", 71: "grid", 78: "accounting",
    48: "", 74: "generic",
}  # fmt: skip


def key_of(ad):
    """An ad replaces the earlier one of the same type and name."""
    name = ad.get("Name") or ad.get("Machine") or ad.get("MyAddress") or ""
    return str(ad.get("MyType", "generic")).lower(), str(name).lower()


def update(command_int):
    """Keep an ad. A startd sends a private one after it, which nobody here may see."""
    (ad,) = yield (None, None, (classad2.ClassAd,))
    try:
        yield (None, None, (end_of_message,))
    except ValueError:
        yield (None, None, (classad2.ClassAd, end_of_message))
    ads[key_of(ad)] = ad


def is_wanted(ad, kind, query):
    """Whether an ad is of the type that was asked for, and the requirements are true of it."""
    if kind == "generic":
        kind = str(query.get("TargetType", "")).lower()
        kind = "" if kind in ("", "any", "generic") else kind
    return kind in ("", str(ad.get("MyType", "")).lower()) and ad.matches(query)


def projected(ad, query):
    """The ad, or those attributes of it that the query names."""
    wanted = (
        str(query.eval("Projection") if "Projection" in query else "").replace(",", " ").split()
    )
    if not wanted:
        return ad
    return classad2.ClassAd({name: ad.lookup(name) for name in wanted if name in ad})


def query(command_int):
    """Send every ad that a query is about."""
    asked, _ = yield (None, None, (classad2.ClassAd, end_of_message))
    found = [ad for ad in ads.values() if is_wanted(ad, QUERIES[command_int], asked)]
    for ad in found[: asked.get("LimitResults", len(found))]:
        yield ((1, projected(ad, asked)), 0, None)
    yield ((0, end_of_message), 0, None)


def invalidate(command_int):
    """Forget every ad that a query is about."""
    asked, _ = yield (None, None, (classad2.ClassAd, end_of_message))
    kind = str(asked.get("TargetType", "")).lower()
    kind = "" if kind in ("any", "generic") else kind
    for key in [key for key, ad in ads.items() if is_wanted(ad, kind, asked)]:
        del ads[key]
