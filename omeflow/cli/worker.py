"""`omeflow worker`: run workflows and steps."""

import asyncio

from omeflow.cli.connection import CONNECTION, HEALTH, configured
from omeflow.cli.running import until_interrupted
from workers.all_in_one import run_worker
from workers.settings import Settings

EXAMPLES = "Example: omeflow worker --temporal-address temporal:7233"


@configured(*CONNECTION, "ome_namespace", "cluster_domain", *HEALTH)
def worker(settings: Settings) -> None:
    """Run workflows and steps, until interrupted. Any number of workers may run."""
    asyncio.run(until_interrupted(run_worker(settings)))
