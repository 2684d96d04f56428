"""Random stories under whole omeflow: whatever is done and whenever, no write breaks an invariant.

- OMEFLOW_CONTRACT=all: 30 of them; else 1.
- OMEFLOW_STORIES_SEED: seed of the first one (0). A failure names its seed and its deeds.
"""

import os

import pytest
from clusters.backends import Backend
from contract_random import Deeds, Plot
from contract_story import Begin
from story_service import DEPLOYMENT, LWS, RBG, SOMEBODY

from omeflow.local.cluster import LocalCluster

FIRST = int(os.environ.get("OMEFLOW_STORIES_SEED") or 0)
RUNS = int(os.environ.get("OMEFLOW_STORIES_RUNS") or (30 if os.environ.get("OMEFLOW_CONTRACT") == "all" else 1))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + RUNS))
async def test_a_random_story(
    begin: Begin, rbg_backend: Backend, lws_backend: Backend, local_cluster: LocalCluster, seed: int
) -> None:
    plot = Plot(seed)
    plot.run()
    first = plot.specs[0]
    own = {RBG: rbg_backend, LWS: lws_backend, DEPLOYMENT: local_cluster.processes["kube-controller-manager"]}
    story = await begin(first, created=False)
    if first.scaled_by == SOMEBODY:
        for role in first.roles:
            await story.begin_to_scale(role)
    await story.ask(first)
    try:
        await Deeds(story, [own[first.backend]]).do(plot.deeds)
    except Exception as failure:
        told = "\n".join(f"  {deed.said}" for deed in plot.deeds)
        raise AssertionError(f"seed {seed}: {failure}; it says: {story.told()}\n  create {first}\n{told}") from failure
