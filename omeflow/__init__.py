"""omeflow: a durable InferenceService orchestrator for Kubernetes, on Temporal."""
