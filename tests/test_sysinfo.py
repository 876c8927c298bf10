"""plugin.sysinfo: how old another host's figures are."""

from __future__ import annotations

from co2.testing.clock import ClockReactor
from co2.testing.plugins import plugin_var_dict
from plugin.sysinfo.sysinfo import TOPIC, X_Sysinfo


def a_sysinfo():
    clock = ClockReactor()
    return X_Sysinfo(plugin_var_dict("sysinfo.sysinfo", lambda *_, **__: None), clock), clock


def figures(**members):
    return {"host_id": "other@10.0.0.2:2004", "topic": TOPIC, "data": {"cpus": 2}, **members}


def test_figures_age_by_this_hosts_steady_clock():
    """Another host's clock may be a year off: its time is shown, and nothing follows from it."""
    plugin, clock = a_sysinfo()
    plugin.receive(figures(time=5e9))
    clock.advance(3.0)
    (host,) = plugin.x_hosts()
    assert (host["age"], host["time"], host["stale"]) == (3.0, 5e9, False)
    plugin.__exit__()


def test_figures_of_a_host_that_is_away_say_so():
    """They came just now, and are old all the same."""
    plugin, _ = a_sysinfo()
    plugin.receive(figures(time=1.0, stale=True))
    (host,) = plugin.x_hosts()
    assert host["stale"]
    plugin.__exit__()
