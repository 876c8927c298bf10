"""The protocol of QEMU's guest agent: its JSON, its schema, its commands.

Source: docs/interop/qemu-ga-ref of QEMU, and what qemu-ga 7.2 was seen to answer (docs/guest.md).
"""
