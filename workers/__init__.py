"""Processes: the worker that runs workflows and steps, the watcher that starts them, and both in one."""
