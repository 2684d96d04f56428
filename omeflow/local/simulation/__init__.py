"""What every simulated controller is made of: a machine (objects and time in, writes out) and a driver.

The machine is pure, so that tests run thousands of steps in memory with simulated time; the driver connects it to an
API server. `omeflow/local/rbg` and `omeflow/local/lws` are machines.
"""
