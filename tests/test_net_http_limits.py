"""The account of what a server holds."""

from co2.net.http_limits import Budget, HttpLimits


def test_budget_counts() -> None:
    """Moves add up, and say when they are over the budget."""
    budget = Budget(10)
    assert budget.move(10)
    assert not budget.move(1)
    assert budget.used == 11
    assert budget.move(-11)
    assert budget.used == 0


def test_defaults_are_consistent() -> None:
    """One connection can use up neither the budget nor the turn of all others."""
    limits = HttpLimits()
    assert limits.max_body < limits.max_buffered
    assert limits.max_head <= limits.max_backlog
    assert limits.request_timeout <= limits.idle_timeout
