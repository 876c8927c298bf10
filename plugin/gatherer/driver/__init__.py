"""The client's side: starts workers or calls hosts, asks, interrupts, and tells what came."""
