"""Starts what the SDK tests need and runs them. Standard library only."""
