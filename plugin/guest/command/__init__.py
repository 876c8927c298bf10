"""The commands of the guest agent for OpenStack. What they write goes through a `Machine`."""
