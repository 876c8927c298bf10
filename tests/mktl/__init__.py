"""Tests of the plugin package mktl."""
