"""What kwok does with a pod in place of a kubelet: its Stages.

kwok's own stages set a pod's container statuses once and declare every readiness gate passed. Rollouts need more: an
image that is changed in place must show up in the status with a new `imageID` (that is how an in-place update is known
to be done), and Ready must follow the readiness gates, which other controllers set. With a Stage for Pods configured,
kwok loads none of its own.

- `pod-containers`: the images of spec and status differ (in a new pod there are none in the status): the containers
  (re)start, with `imageID`, `restartCount` and `lastState`. An image with the tag `does-not-exist` cannot be pulled:
  its container waits in ImagePullBackOff until the image changes.
- `pod-readiness`: Ready is not what ContainersReady and the readiness gates make it, in either direction.
- `pod-end`: a pod that pulls images for a RoleBasedGroupWarmup has done its work as soon as it runs.
- `pod-delete`: a deleted pod without finalizers goes, a moment later. kwok deletes by name, and once for every event of
  a pod on its way out, that of its own deletion (grace 0) too: a late one would hit the pod that came instead.

The annotation `local.omeflow.io/startup: 20s` delays `pod-containers`: a model takes its time to load.
"""

from typing import Any

import yaml

from omeflow.local.rbg.wire import WARMUP_NAME

UNPULLABLE_TAG = "does-not-exist"
STARTUP = "local.omeflow.io/startup"

# jq, over the pod. kwok's operator In compares the printed value.
_IMAGES_ARE_CURRENT = (
    "([.spec.containers[] | {(.name): .image}] | add)"
    " == ([(.status.containerStatuses // [])[] | {(.name): .image}] | add)"
)
_READY_IS_CURRENT = (
    "([(.status.conditions // [])[] | {(.type): .status}] | add // {}) as $held"
    ' | ($held.ContainersReady == "True"'
    ' and ([(.spec.readinessGates // [])[] | $held[.conditionType] == "True"] | all)) as $ready'
    ' | ($held.Ready == "True") == $ready'
)

# Go templates with sprig, over the pod; they render the patch of its status (strategic merge: conditions by type).
_HELD_CONDITIONS = """
{{- $now := Now }}
{{- $held := dict }}
{{- range .status.conditions }}{{ $_ := set $held .type .status }}{{ end }}
"""
_CONTAINERS = (
    """
{{- $pod := . }}
{{- $before := dict }}
{{- range .status.containerStatuses }}{{ $_ := set $before .name . }}{{ end }}
{{- $containersReady := true }}
{{- $stuck := false }}
containerStatuses:
{{- range .spec.containers }}
{{- $was := get $before .name }}
{{- if and $was (eq $was.image .image) }}
{{- if not $was.ready }}{{ $containersReady = false }}{{ end }}
- {{ $was | toJson }}
{{- else }}
{{- $restarts := 0 }}
{{- if $was }}{{ $restarts = add1 (int $was.restartCount) }}{{ end }}
- name: {{ .name | quote }}
  image: {{ .image | quote }}
  restartCount: {{ $restarts }}
  {{- if and $was (hasKey $was.state "running") }}
  lastState:
    terminated:
      exitCode: 0
      reason: Completed
      containerID: {{ $was.containerID | quote }}
      startedAt: {{ $was.state.running.startedAt | quote }}
      finishedAt: {{ $now | quote }}
  {{- end }}
  {{- if hasSuffix ":UNPULLABLE_TAG" .image }}
  {{- $containersReady = false }}
  {{- $stuck = true }}
  imageID: ""
  ready: false
  started: false
  state:
    waiting:
      reason: ImagePullBackOff
      message: Back-off pulling image {{ .image }}
  {{- else }}
  imageID: {{ printf "%s@sha256:%s" (regexReplaceAll "(:[^:/@]+)?(@.*)?$" .image "") (sha256sum .image) | quote }}
  containerID: {{ printf "kwok://%s" (sha256sum (printf "%s/%s/%d" $pod.metadata.uid .name $restarts)) | quote }}
  ready: true
  started: true
  state:
    running:
      startedAt: {{ $now | quote }}
  {{- end }}
{{- end }}
{{- end }}
{{- if and .spec.initContainers (not .status.initContainerStatuses) }}
initContainerStatuses:
{{- range .spec.initContainers }}
- name: {{ .name | quote }}
  image: {{ .image | quote }}
  imageID: {{ printf "%s@sha256:%s" (regexReplaceAll "(:[^:/@]+)?(@.*)?$" .image "") (sha256sum .image) | quote }}
  ready: true
  restartCount: 0
  {{- if eq (default "" .restartPolicy) "Always" }}
  started: true
  state:
    running:
      startedAt: {{ $now | quote }}
  {{- else }}
  started: false
  state:
    terminated:
      exitCode: 0
      reason: Completed
      startedAt: {{ $now | quote }}
      finishedAt: {{ $now | quote }}
  {{- end }}
{{- end }}
{{- end }}
{{- if or (eq (default "" .status.phase) "Running") (not $stuck) }}
phase: Running
{{- else }}
phase: Pending
{{- end }}
{{- if not .status.startTime }}
startTime: {{ $now | quote }}
{{- end }}
{{- if not .status.podIP }}
hostIP: {{ NodeIPWith .spec.nodeName | quote }}
podIP: {{ PodIPWith .spec.nodeName (default false .spec.hostNetwork) .metadata.uid .metadata.name .metadata.namespace }}
{{- end }}
"""
).replace("UNPULLABLE_TAG", UNPULLABLE_TAG)
_CONTAINERS_READY_AS_HELD = """
{{- $containersReady := eq (get $held "ContainersReady") "True" }}
"""
_CONDITIONS = """
{{- $gated := list }}
{{- range .spec.readinessGates }}
{{- if ne (get $held .conditionType) "True" }}{{ $gated = append $gated .conditionType }}{{ end }}
{{- end }}
{{- $ready := and $containersReady (not $gated) }}
conditions:
{{- range $type, $true := dict "Initialized" true "ContainersReady" $containersReady "Ready" $ready }}
{{- $status := ternary "True" "False" $true }}
- type: {{ $type }}
  status: {{ $status | quote }}
  {{- if ne (get $held $type) $status }}
  lastTransitionTime: {{ $now | quote }}
  {{- end }}
  {{- if $true }}
  reason: null
  message: null
  {{- else if $containersReady }}
  reason: ReadinessGatesNotReady
  message: readiness gates not passed {{ $gated | join ", " }}
  {{- else }}
  reason: ContainersNotReady
  message: containers with unready status
  {{- end }}
{{- end }}
"""


def pod_stages() -> list[dict[str, Any]]:
    lives = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}
    unfinished = {"key": ".status.phase", "operator": "NotIn", "values": ["Succeeded", "Failed"]}
    return [
        _stage(
            "pod-containers",
            when=[lives, unfinished, {"key": _IMAGES_ARE_CURRENT, "operator": "In", "values": ["false"]}],
            then=_status_patch(_HELD_CONDITIONS + _CONTAINERS + _CONDITIONS),
            delay={"durationFrom": {"expressionFrom": f'.metadata.annotations["{STARTUP}"]'}},
        ),
        _stage(
            "pod-readiness",
            when=[lives, unfinished, {"key": _READY_IS_CURRENT, "operator": "In", "values": ["false"]}],
            then=_status_patch(_HELD_CONDITIONS + _CONTAINERS_READY_AS_HELD + _CONDITIONS),
        ),
        _stage(
            "pod-end",
            when=[
                lives,
                {"key": f'.metadata.labels["{WARMUP_NAME}"]', "operator": "Exists"},
                {"key": ".status.phase", "operator": "In", "values": ["Running"]},
            ],
            then=_status_patch("phase: Succeeded"),
        ),
        _stage(
            "pod-delete",
            when=[
                {"key": ".metadata.deletionTimestamp", "operator": "Exists"},
                {"key": ".metadata.deletionGracePeriodSeconds", "operator": "NotIn", "values": ["0"]},
                {"key": ".metadata.finalizers", "operator": "DoesNotExist"},
            ],
            then={"delete": True},
            delay={"durationMilliseconds": 100},  # further events in it put it off, the pod's end calls it off
        ),
    ]


def kwok_config() -> str:
    return yaml.safe_dump_all(pod_stages(), sort_keys=False)


def _status_patch(template: str) -> dict[str, Any]:
    return {"patches": [{"subresource": "status", "root": "status", "type": "strategic", "template": template}]}


def _stage(
    name: str, *, when: list[dict[str, Any]], then: dict[str, Any], delay: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
            "selector": {"matchExpressions": when},
            **({"delay": delay} if delay else {}),
            "next": then,
        },
    }
