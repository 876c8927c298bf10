"""What is held of unread requests, and that it is counted."""

from hypothesis import given
from hypothesis import strategies as st

from co2.net.http_arrival import Arrival
from co2.net.http_head import Head
from co2.net.http_limits import Budget


@given(st.binary(min_size=1, max_size=200), st.binary(max_size=50), st.integers(1, 40))
def test_body_in_parts(body: bytes, behind: bytes, size: int) -> None:
    """However a body is cut, it comes together, and what follows it is told apart."""
    budget = Budget(1000)
    arrival = Arrival(budget)
    first = body[: len(body) // 2]
    assert arrival.begin(Head(length=len(body)), first)
    rest = body[len(first) :] + behind
    while not arrival.completes(rest[:size]):
        assert arrival.add(rest[:size])
        rest = rest[size:]
    assert arrival.begun
    assert budget.used > 0 or not first
    whole, left = arrival.complete(rest[:size])
    assert whole == body
    assert left + rest[size:] == behind
    assert budget.used == 0


def test_budget() -> None:
    """More than the budget is reported; giving back is never too much."""
    budget = Budget(10)
    one, two = Arrival(budget), Arrival(budget)
    assert one.hold(b"12345678")
    assert not two.begin(Head(length=100), b"1234")
    assert one.hold(b"1")
    two.clear()
    assert budget.used == 1
    assert one.hold(b"")
    assert budget.used == 0
    assert not one.begun
