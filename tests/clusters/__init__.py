"""Clusters in containers, for the tests that a cluster of plain processes does not convince."""
