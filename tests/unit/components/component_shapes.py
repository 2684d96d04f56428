"""Components in the shape of their CRD, for properties."""

from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]

NAMES = st.sampled_from(["a", "b", "c", "d"])
TEXTS = st.sampled_from(["", "x", "y"])
QUANTITIES = st.sampled_from(["1", "500m", "2Gi", "64Gi"])
MAPS = st.dictionaries(NAMES, TEXTS, max_size=3)


def keyed(key: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Json]]:
    """Lists of objects whose key is theirs alone, as the CRD demands."""
    element = st.fixed_dictionaries({key: NAMES}, optional=fields)
    return st.lists(element, max_size=4, unique_by=lambda one: one[key])


VALUE_FROM = st.just({"secretKeyRef": {"name": "s", "key": "k"}})
CONTAINER = st.fixed_dictionaries(
    {},
    optional={
        "name": NAMES,
        "image": TEXTS,
        "args": st.lists(TEXTS, max_size=3),
        "env": keyed("name", value=TEXTS, valueFrom=VALUE_FROM),
        "volumeMounts": keyed("mountPath", name=NAMES, readOnly=st.booleans()),
        "resources": st.fixed_dictionaries({}, optional={"limits": st.dictionaries(NAMES, QUANTITIES, max_size=2)}),
        "securityContext": st.fixed_dictionaries({}, optional={"privileged": st.booleans()}),
        "readinessProbe": st.sampled_from([{"tcpSocket": {"port": 1}}, {"httpGet": {"port": 2, "path": ""}}]),
    },
)
COMPONENT = st.fixed_dictionaries(
    {},
    optional={
        "minReplicas": st.integers(0, 3),
        "maxReplicas": st.integers(0, 3),
        "hostNetwork": st.booleans(),
        "labels": MAPS,
        "nodeSelector": MAPS,
        "volumes": keyed("name", emptyDir=st.just({}), hostPath=st.just({"path": "/x", "type": ""})),
        "runner": CONTAINER,
        "worker": st.fixed_dictionaries({}, optional={"size": st.integers(0, 3), "runner": CONTAINER}),
        "deploymentStrategy": st.sampled_from([{"type": "Recreate"}, {"rollingUpdate": {"maxSurge": 1}}]),
    },
)
