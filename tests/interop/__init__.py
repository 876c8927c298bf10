"""Unmodified XML-RPC clients of other languages against one running satellite."""
