"""Strings that the LeaderWorkerSet controller puts on the wire (other-workloads.md 2.1)."""

from omeflow.api.kinds import LEADER_WORKER_SET

API_VERSION = LEADER_WORKER_SET.api_version
KIND = LEADER_WORKER_SET.name

MANAGER = "lws"

PREFIX = "leaderworkerset.sigs.k8s.io/"
NAME = f"{PREFIX}name"
GROUP_INDEX = f"{PREFIX}group-index"
GROUP_KEY = f"{PREFIX}group-key"
WORKER_INDEX = f"{PREFIX}worker-index"
REVISION = f"{PREFIX}template-revision-hash"

SIZE = f"{PREFIX}size"
LEADER_NAME = f"{PREFIX}leader-name"
SUBDOMAIN_POLICY = f"{PREFIX}subdomainPolicy"
RECREATE_AFTER_START = f"{PREFIX}experimental-recreate-group-after-start"

LEADER_ADDRESS = "LWS_LEADER_ADDRESS"
GROUP_SIZE = "LWS_GROUP_SIZE"
WORKER_INDEX_VARIABLE = "LWS_WORKER_INDEX"

AVAILABLE, PROGRESSING, UPDATE_IN_PROGRESS = "Available", "Progressing", "UpdateInProgress"
