"""The `omeflow` command, one module per verb."""
