"""The steps of a rollout: all I/O of a run, one module per step (design section 3).

A step reads its inputs, calls the core, writes, and returns a small result. What decides lives in `strategies/`,
`omeflow/rollout/` and `omeflow/components/`.
"""
