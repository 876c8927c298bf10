"""A process that holds the real classad2 and answers, line by line, what it makes of a text.

Run by the tests in a process of its own, because the library brings an OpenSSL of its own along.
A line in is `[expression, ad, target]` in JSON; a line out is `[text, value]` or `null`.
"""

import json
import sys


def plain(value):
    """Give a value of either classad2 as JSON that tells types apart."""
    kind = type(value).__name__
    if kind == "Value":
        return [kind, value.name]
    if kind == "list":
        return [kind, [plain(item) for item in value]]
    if kind == "datetime":
        return [kind, value.timestamp()]
    if kind == "float":
        return [kind, repr(value)]
    return [kind, value if kind in ("bool", "int", "str") else repr(value)]


def answer(module, expression, ad, target):
    """Give text and value of an expression, or None where it is refused."""
    try:
        tree = module.ExprTree(expression)
        scope = module.ClassAd(ad) if ad else None
        other = module.ClassAd(target) if target else None
        return [str(repr(tree)), plain(tree.eval(scope, other))]
    except module.ClassAdException:
        return None


if __name__ == "__main__":
    import classad2
    import htcondor2  # noqa: F401 - it enters HTCondor's own functions

    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(classad2, *json.loads(line))) + "\n")
