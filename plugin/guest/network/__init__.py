"""Network settings from dom0's vm-data to files of each distribution; pure but for `apply`."""
