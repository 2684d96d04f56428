"""Status of an InferenceService: a function of the live roles and the attempt records, and nothing else.

OME's shape (ome.md 1.1, 13), but true: Ready needs every role, a condition of a removed role goes away, and an error is
told where people look. Only the watcher writes it, and only when it differs (design section 3).

- `facts`: what it is made of
- `conditions`: Ready, one per role, IngressReady, what Knative says of parts, RolledOut and Contested
- `components`: revisions, URLs, the accelerator
- `model`: whether the model is loaded, and why not
- `service`: all of it in one
"""

from omeflow.rollout.status.conditions import CONTESTED, ROLLED_OUT
from omeflow.rollout.status.facts import Facts, SelectedAccelerator
from omeflow.rollout.status.service import service_status, turns

__all__ = ["CONTESTED", "ROLLED_OUT", "Facts", "SelectedAccelerator", "service_status", "turns"]
