"""XenStore: the protocol of xenstored, a client that waits for nobody, and the exchange on it.

Source: docs/misc/xenstore.txt of Xen, and what xenstored 4.17 was seen to do (docs/guest.md).
"""
