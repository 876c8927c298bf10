"""mKTL: stores of items, named values with an owner, a time and history.

In a satellite, the plugin `mktl` serves stores and lets them be called (`X_Mktl`). For programs,
this package is mKTL's API: `from plugin import mktl; mktl.get('store.key')`, and for daemons
`mktl.Daemon` and `mktl.Item`. docs/mktl.md tells how.
"""

from plugin.mktl.asking import Pending as Pending
from plugin.mktl.begin import discover as discover
from plugin.mktl.begin import get as get
from plugin.mktl.begin import get_later as get_later
from plugin.mktl.daemon import Daemon as Daemon
from plugin.mktl.description import ConfigurationRefused as ConfigurationRefused
from plugin.mktl.home import home as home
from plugin.mktl.item import Item as Item
from plugin.mktl.link import RemoteRefusal as RemoteRefusal
from plugin.mktl.message import Bulk as Bulk
from plugin.mktl.message import Payload as Payload
from plugin.mktl.message import Request as Request
from plugin.mktl.ports import Ways as Ways
from plugin.mktl.store import Store as Store

__all__ = ["mktl"]
