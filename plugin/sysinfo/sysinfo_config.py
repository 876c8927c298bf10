"""Settings of the module `sysinfo`; put your own copy into `plugin/sysinfo/` where you work."""

# How often the figures are sent, in seconds.
interval = 10.0

# A path on the disk that is measured.
disk = "/"
