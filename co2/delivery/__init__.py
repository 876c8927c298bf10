"""Getting messages to one peer each, at that peer's own pace."""
