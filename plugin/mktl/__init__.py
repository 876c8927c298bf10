"""mKTL: stores of items, named values with an owner, a time and history.

In a satellite, the plugin `mktl` serves stores and lets them be called (`X_Mktl`). For programs,
this package is mKTL's API: `from plugin import mktl; mktl.get('store.key')`, and for daemons
`mktl.Daemon` and `mktl.Item`. docs/mktl.md tells how.
"""

from plugin.mktl.client.begin import discover as discover
from plugin.mktl.client.begin import get as get
from plugin.mktl.client.begin import get_later as get_later
from plugin.mktl.items.asking import Pending as Pending
from plugin.mktl.items.item import Item as Item
from plugin.mktl.items.store import Store as Store
from plugin.mktl.keeping.home import home as home
from plugin.mktl.net.link import RemoteRefusal as RemoteRefusal
from plugin.mktl.net.ports import Ways as Ways
from plugin.mktl.serving.daemon import Daemon as Daemon
from plugin.mktl.values.description import ConfigurationRefused as ConfigurationRefused
from plugin.mktl.wire.message import Bulk as Bulk
from plugin.mktl.wire.message import Payload as Payload
from plugin.mktl.wire.message import Request as Request
from plugin.mktl.work.runtime import use as use

__all__ = ["mktl"]
