"""A process that holds the real classad2 and answers, line by line, what it makes of a text.

Run by the tests in a process of its own, because the library brings an OpenSSL of its own along.
A line in is the name of a function below and its arguments, in JSON; a line out is its result.
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


def shown(module, text):
    """Give every text that an ad has, and its names in order."""
    ad = module.ClassAd(text)
    return [repr(ad), str(ad), ad.printOld(), ad.printJson(), list(ad)]


def parsed(module, text, syntax):
    """Give the ads of a text by each of the three ways to read, None where it is refused."""
    parser = getattr(module.ParserType, syntax)
    try:
        every = [repr(ad) for ad in module.parseAds(text, parser)]
        first = module.parseNext(text, parser)
        return [every, repr(first), sorted(module.parseOne(text, parser))]
    except (module.ClassAdException, ValueError):
        return None


def unquoted(module, text):
    """Give the string that a literal stands for, None where it is none; and the way back."""
    try:
        return [module.unquote(text), module.quote(module.unquote(text))]
    except (module.ClassAdException, ValueError):
        return None


def ask(module, name, *arguments):
    """Answer one question."""
    return {"answer": answer, "shown": shown, "parsed": parsed, "unquoted": unquoted}[name](
        module, *arguments
    )


if __name__ == "__main__":
    import classad2
    import htcondor2  # noqa: F401 - it enters HTCondor's own functions

    for line in sys.stdin:
        sys.stdout.write(json.dumps(ask(classad2, *json.loads(line))) + "\n")
