"""Tests of the plugin package `guest`."""
