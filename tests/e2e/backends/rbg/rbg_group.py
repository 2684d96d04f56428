"""A RoleBasedGroup under test: built and applied as omeflow does it, and read where omeflow reads."""

from typing import Any

from pods_seen import eventually

from omeflow.api import kinds, names
from omeflow.kube.client import Cluster
from omeflow.kube.request import Object


def container(image: str, *, name: str = "main", **more: Any) -> Object:
    return {"name": name, "image": image} | more


def standalone(name: str, image: str = "registry.test/model:1", *, env: str | None = None, **role: Any) -> Object:
    """A role of single pods.

    Args:
        env: value of the variable MODE.
        role: further fields of the role.
    """
    variables: Object = {"env": [{"name": "MODE", "value": env}]} if env is not None else {}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container(image, **variables)]}}
    return _role(name, role) | {"standalonePattern": {"template": template}}


def leader_worker(name: str, image: str = "registry.test/model:1", *, size: int = 3, **role: Any) -> Object:
    """A role of multi-node instances. The worker's template replaces the leader's, to the last field."""
    leader = {
        "metadata": {"labels": {"app": name, "part": "leader"}, "annotations": {"leads": "yes"}},
        "spec": {
            "initContainers": [container("registry.test/init:1", name="init")],
            "containers": [container(image, args=["--lead"]), container("registry.test/side:1", name="side")],
            "volumes": [{"name": "cache", "emptyDir": {}}],
        },
    }
    worker = {
        "metadata": {"$patch": "replace", "labels": {"app": name, "part": "worker"}},
        "spec": {"$patch": "replace", "containers": [container(image, name="worker", args=["--work"])]},
    }
    pattern = {"size": size, "template": leader, "workerTemplatePatch": worker}
    return _role(name, role) | {"leaderWorkerPattern": pattern}


def scaled(role: Object) -> Object:
    return role | {"scalingAdapter": {"enable": True}}


def attempt(role: Object, number: int) -> Object:
    """The role with the annotation that its workload carries, too, once the template has arrived there."""
    return role | {"annotations": {names.role_attempt(role["name"]): str(number)}}


def without_count(role: Object) -> Object:
    return {key: value for key, value in role.items() if key != "replicas"}


def _role(name: str, more: Object) -> Object:
    return attempt({"name": name, "replicas": 2} | more, 1)


class Group:
    def __init__(self, cluster: Cluster, namespace: str, name: str = "chat") -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.name = name

    async def apply(self, *roles: Object, manager: str = names.FIELD_MANAGER, force: bool = False) -> Object:
        obj = {
            "apiVersion": kinds.ROLE_BASED_GROUP.api_version,
            "kind": kinds.ROLE_BASED_GROUP.name,
            "metadata": {"name": self.name, "namespace": self.namespace},
            "spec": {"roles": list(roles)},
        }
        return await self.cluster.apply(obj, manager=manager, force=force)

    async def created(self, *roles: Object) -> None:
        """Apply and wait until all roles are rolled out."""
        await self.apply(*roles)
        for role in roles:
            await self.rolled_out(role["name"], 1)

    async def object(self) -> Object:
        return await self.cluster.get(kinds.ROLE_BASED_GROUP, self.name, namespace=self.namespace)

    async def role(self, role: str) -> Object:
        return next(each for each in (await self.object())["spec"]["roles"] if each["name"] == role)

    async def workload(self, role: str) -> Object | None:
        return await self.cluster.find(kinds.ROLE_INSTANCE_SET, f"{self.name}-{role}", namespace=self.namespace)

    async def adapter(self, role: str) -> Object | None:
        return await self.cluster.find(kinds.SCALING_ADAPTER, f"{self.name}-{role}", namespace=self.namespace)

    async def pods(self, role: str | None = None) -> dict[str, Object]:
        selector = f"{names.GROUP_NAME}={self.name}" + (f",{names.ROLE_NAME}={role}" if role else "")
        found = await self.cluster.list(kinds.POD, namespace=self.namespace, label_selector=selector)
        return {pod["metadata"]["name"]: pod for pod in found}

    async def instances(self, role: str) -> dict[str, Object]:
        selector = f"{names.GROUP_NAME}={self.name},{names.ROLE_NAME}={role}"
        found = await self.cluster.list(kinds.ROLE_INSTANCE, namespace=self.namespace, label_selector=selector)
        return {instance["metadata"]["name"]: instance for instance in found}

    async def events(self, reason: str) -> list[Object]:
        return await self.cluster.list(kinds.EVENT, namespace=self.namespace, field_selector=f"reason={reason}")

    async def rolled_out(self, role: str, number: int) -> Object:
        """Wait until the attempt is rolled out, by the test that omeflow uses; the workload then."""

        async def read() -> Object | None:
            return await self.workload(role)

        found = await eventually(read, lambda obj: is_rolled_out(obj, role, number), what=f"{role} rolled out")
        assert found is not None
        return found

    async def counted(self, role: str, ready: int, *, of: int | None = None) -> Object:
        """Wait until that many instances are ready, of `of` (None: of as many), and the workload is at its count."""

        async def read() -> Object | None:
            return await self.workload(role)

        def holds(workload: Object | None) -> bool:
            if workload is None:
                return False
            status, wanted = workload.get("status") or {}, ready if of is None else of
            counts = (status.get("readyReplicas"), status.get("replicas"), workload["spec"]["replicas"])
            return counts == (ready, wanted, wanted)

        found = await eventually(read, holds, what=f"{ready} ready instances of {role}")
        assert found is not None
        return found

    async def delete_instance(self, name: str) -> None:
        await self.cluster.delete(kinds.ROLE_INSTANCE, name, namespace=self.namespace)


def is_rolled_out(workload: Object | None, role: str, number: int) -> bool:
    """rbg.md 3.2, with the attempt's annotation in place of the role hash."""
    if workload is None:
        return False
    metadata, status, wanted = workload["metadata"], workload.get("status") or {}, workload["spec"]["replicas"]
    return bool(
        metadata["annotations"].get(names.role_attempt(role)) == str(number)
        and status.get("observedGeneration") == metadata["generation"]
        and status["currentRevision"] == status["updateRevision"]
        and status["replicas"] == status["readyReplicas"] == status["updatedReadyReplicas"] == wanted
    )


def owners_of_count(group: Object, role: str) -> set[tuple[str, str]]:
    """Manager and operation of every owner of the role's `replicas`."""
    owners = set()
    for entry in group["metadata"]["managedFields"]:
        roles = entry["fieldsV1"].get("f:spec", {}).get("f:roles", {})
        if "f:replicas" in roles.get(f'k:{{"name":"{role}"}}', {}):
            owners.add((entry["manager"], entry["operation"]))
    return owners
