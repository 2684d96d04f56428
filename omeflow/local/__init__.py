"""A Kubernetes control plane on this machine, without containers.

Real etcd, kube-apiserver, kube-controller-manager and kube-scheduler, and kwok in place of the kubelets. What decides
in a user's cluster (admission, defaulting, server-side apply, garbage collection, scheduling) is the genuine article;
only the containers are pretended.
"""

from omeflow.local.cluster import LocalCluster
from omeflow.local.serving import serve

__all__ = ["LocalCluster", "serve"]
