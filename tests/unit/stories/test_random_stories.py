"""Random stories: whatever is edited, scaled, removed, killed or stopped, and whenever, every invariant holds.

- OMEFLOW_STORIES_RUNS: how many stories (300).
- OMEFLOW_STORIES_SEED: seed of the first one (0). A failure names its seed: give it here, and it is run alone.
"""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context

import pytest
from story_random import RandomStory, failure_of

SEED = os.environ.get("OMEFLOW_STORIES_SEED")
RUNS = int(os.environ.get("OMEFLOW_STORIES_RUNS") or (1 if SEED else 300))
SHOWN = 5


@pytest.mark.timeout(120 + RUNS)
def test_random_stories_keep_every_invariant_and_end_as_wanted() -> None:
    first, began = int(SEED or 0), time.monotonic()
    # Not forked: what other tests of this process have started would be in an unknown state.
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as workers:
        told = workers.map(failure_of, range(first, first + RUNS), chunksize=10)
        failures = [failure for failure in told if failure]
    took = time.monotonic() - began
    print(f"{RUNS} stories from seed {first} in {took:.0f} s, {RUNS / took:.0f} a second; {len(failures)} failed")
    assert not failures, f"{len(failures)} of {RUNS} failed (OMEFLOW_STORIES_SEED):\n" + "\n".join(
        islice(failures, SHOWN)
    )


def test_a_seed_tells_the_same_story_every_time() -> None:
    tellings = []
    for _ in range(2):
        story = RandomStory(4)
        story.run()
        tellings.append((story.log, story.cluster.changes))
    assert tellings[0] == tellings[1]
    assert len(tellings[0][0]) > 5
