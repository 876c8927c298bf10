"""Expressions of the ClassAd language, drawn by chance and the same for the same seed."""

import random

AD = (
    '[a = 1; b = 2.5; s = "Hello"; t = true; u = undefined; l = {1, 2, "x"};'
    " e = [q = 7; r = a + 1]; f = a + b]"
)
TARGET = '[a = 10; memory = 1024; name = "slot1@host"; opsys = "LINUX"; v = "8.9.11"]'
ATOMS = [
    "0",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "100",
    "-40",
    "2147483648",
    "9223372036854775807",
    "0.0",
    "0.5",
    "-1.5",
    "2.0",
    "1e3",
    "1.25E-3",
    "true",
    "false",
    "undefined",
    "error",
    '""',
    '"a"',
    '"A"',
    '"abc"',
    '"a,b,c"',
    '"1,2,3"',
    '"3"',
    '"2.5"',
    '"x@y"',
    "\"A=1 b='it''s x' A=2\"",
    '"B=2;A=\'"',
    '{"a  b", "it\'s", ""}',
    '"root"',
    '"8.9.11"',
    '"8.10.1"',
    "a",
    "b",
    "s",
    "t",
    "u",
    "f",
    "my.a",
    "target.a",
    "target.memory",
    "memory",
    "name",
    "opsys",
    "missing",
    "my.missing",
    "e.q",
    "e.r",
    "l",
    "e",
    "{}",
    "{1,2,3}",
    '{"a","b"}',
    "{1.5,2}",
    "{a,b}",
    "{undefined,1}",
    "[]",
    "[z=1]",
    "[z=a;y=z]",
    "absTime(0)",
    'absTime("2020-01-01T00:00:00Z")',
    "relTime(10)",
    "relTime(3661)",
]
BINARY = [
    "+",
    "-",
    "*",
    "/",
    "%",
    "<",
    "<=",
    ">",
    ">=",
    "==",
    "!=",
    "=?=",
    "=!=",
    "is",
    "isnt",
    "&&",
    "||",
    "&",
    "|",
    "^",
    "<<",
    ">>",
    ">>>",
]
ONE = [
    "isUndefined",
    "isError",
    "isString",
    "isInteger",
    "isReal",
    "isBoolean",
    "isList",
    "isClassAd",
    "isAbsTime",
    "isRelTime",
    "int",
    "real",
    "string",
    "bool",
    "floor",
    "ceiling",
    "round",
    "size",
    "sum",
    "avg",
    "min",
    "max",
    "toUpper",
    "toLower",
    "stringListSize",
    "stringListSum",
    "stringListMin",
    "stringListMax",
    "stringListAvg",
    "split",
    "splitUserName",
    "splitSlotName",
    "interval",
    "getYear",
    "getMonth",
    "getDayOfYear",
    "getDayOfMonth",
    "getDayOfWeek",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getDays",
    "strcat",
    "join",
    "eval",
    "argsToList",
    "listToArgs",
    "envV1ToV2",
    "mergeEnvironment",
    "userHome",
    "nosuchfunction",
]
TWO = [
    "strcat",
    "member",
    "identicalMember",
    "strcmp",
    "stricmp",
    "stringListMember",
    "stringListIMember",
    "stringListsIntersect",
    "stringListSubsetMatch",
    "versionGT",
    "versionGE",
    "versionLT",
    "versionLE",
    "versionEQ",
    "regexp",
    "substr",
    "join",
    "split",
    "argsToList",
    "listToArgs",
    "mergeEnvironment",
    "userHome",
    "userMap",
]
THREE = ("ifThenElse", "substr", "anyCompare", "allCompare")

DIFFERENT = (("version", "relTime"), ("interval", "2147483648"), ("interval", "922337203685477"))
"""What is known to differ, and why: `docs/snake.md`, "Where ClassAds differ"."""


def draw(chance: random.Random, depth: int) -> str:
    """Give one expression, nested up to `depth`."""
    if depth == 0 or chance.random() < 0.15:
        return chance.choice(ATOMS)
    shape = chance.random()
    if shape < 0.45:
        return f"{draw(chance, depth - 1)} {chance.choice(BINARY)} {draw(chance, depth - 1)}"
    if shape < 0.55:
        return f"({draw(chance, depth - 1)})"
    if shape < 0.62:
        return f"{chance.choice('-!~+')} {draw(chance, depth - 1)}"
    if shape < 0.68:
        return " ".join([draw(chance, depth - 1), "?", draw(chance, 1), ":", draw(chance, 1)])
    if shape < 0.71:
        return f"{draw(chance, 1)} ?: {draw(chance, 1)}"
    if shape < 0.75:
        return f"({draw(chance, 1)})[{draw(chance, 1)}]"
    return _call(chance, depth)


def _call(chance: random.Random, depth: int) -> str:
    names, count = chance.choice(((ONE, 1), (ONE, 1), (TWO, 2), (THREE, 3)))
    arguments = ",".join(draw(chance, depth - 1) for _ in range(count))
    return f"{chance.choice(names)}({arguments})"


def drawn(count: int, seed: int = 6) -> list[str]:
    """Give `count` different expressions."""
    chance = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        expression = draw(chance, chance.randint(1, 3))
        if not any(one in expression and other in expression for one, other in DIFFERENT):
            found.setdefault(expression)
    return list(found)
