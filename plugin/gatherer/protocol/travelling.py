"""Reports as values that travel in a conversation, and back."""

from __future__ import annotations

from typing import Any

from plugin.gatherer.protocol.reports import Began, Finished, Outcome, Records, Report


class NoReport(ValueError):
    """What came is no report of a gatherer."""


def as_struct(report: Report) -> dict[str, Any]:
    """Give a report as a struct; a body stays bytes, of at most 1 MiB."""
    if isinstance(report, Began):
        return {"event": "began", "index": report.index, "label": report.label}
    if isinstance(report, Finished):
        return {
            "event": "finished",
            "index": report.index,
            "outcome": report.outcome.value,
            "code": report.code,
            "why": _printable(report.why),
            "seconds": report.seconds,
        }
    return {"event": "records", "body": report.body}


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def from_struct(struct: Any, most: int) -> Report | None:
    """Read a report; None for an event that is only a sign of life.

    Args:
        struct: as it came.
        most: number of requests, so that no index points beside them.

    Raises:
        NoReport: it is none.
    """
    try:
        event = struct["event"]
        if event == "records":
            body = struct["body"]
            return Records(bytes(getattr(body, "data", body)))
        if event == "alive":
            return None
        index = int(struct["index"])
        if not 0 <= index < most:
            raise NoReport(f"request {index} was not asked for")
        if event == "began":
            return Began(index, str(struct["label"]))
        outcome, why = Outcome(struct["outcome"]), str(struct["why"])
        return Finished(index, outcome, int(struct["code"]), why, float(struct["seconds"]))
    except NoReport:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise NoReport(f"this is no report: {error!r}") from error
