"""Rollout policy and planner: from what serves, what is wanted and the policy, to stages with reasons. Pure."""
