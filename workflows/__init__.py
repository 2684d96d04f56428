"""Durable sequencing: what happens in which order, and what a change or a deletion in between does. Deterministic.

Workflow files know the steps' contract (`omeflow/api/steps.py`) and nothing else of omeflow.
"""
