"""co2.net.journal_order: what may not be written now."""

from __future__ import annotations

from co2.net.journal_order import Order

A1, A2, B1 = ("a", "1"), ("a", "2"), ("b", "1")


def test_nothing_new_is_taken_until_all_that_was_under_way_is_told():
    """Otherwise a number beyond theirs would be given, and theirs be missing."""
    order = Order()
    assert order.begin("relay", A1)
    assert not order.begin("relay", B1)
    order.end("relay", A1, True, 0.0)
    assert not order.allows("relay", ("c", "1"), 0.0)
    assert order.allows("taken", ("c", "1"), 0.0)
    order.end("relay", B1, False, 0.0)
    assert not order.allows("relay", ("c", "2"), 0.0), "what was refused meanwhile comes first"
    assert order.allows("relay", ("c", "1"), 0.0)
    assert order.begin("relay", ("c", "1"))


def test_the_first_that_was_lost_comes_first():
    """Of one author, however long it takes within the bound; others are not held up."""
    order = Order()
    for key in (A1, A2):
        order.begin("relay", key)
    for key in (A1, A2):
        order.end("relay", key, True, 0.0)
    assert not order.allows("relay", A2, 59.0)
    assert order.allows("relay", B1, 59.0)
    assert order.allows("relay", A1, 59.0)
    order.begin("relay", A1)
    assert order.allows("relay", A2, 59.0)


def test_who_gave_it_up_is_heard_again():
    """A sender that never tries again is waited for a minute, and not for ever."""
    order = Order()
    order.begin("relay", A1)
    order.end("relay", A1, True, 0.0)
    assert order.allows("relay", A2, 60.0)
    order.begin("relay", A2)
    order.end("relay", A2, False, 60.0)
    assert order.allows("relay", ("a", "3"), 60.0)


def test_what_has_no_line_is_in_nobodys_way():
    """Cursors and outcomes are written whatever else has failed."""
    order = Order()
    order.begin("", None)
    order.begin("", None)
    order.end("", None, True, 0.0)
    assert order.allows("", None, 0.0)
