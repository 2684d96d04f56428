"""`omeflow watcher`: watch InferenceServices and start their runs."""

import asyncio

from omeflow.cli.connection import CONNECTION, HEALTH, configured
from omeflow.cli.running import until_interrupted
from workers.all_in_one import run_watcher
from workers.settings import Settings

EXAMPLES = "Example: omeflow watcher --namespace serving --namespace staging"


@configured(*CONNECTION, "namespaces", "ome_namespace", "cluster_domain", "dependency_runs", *HEALTH, "lease_namespace")
def watcher(settings: Settings) -> None:
    """Watch InferenceServices, start their runs and write their status, until interrupted."""
    asyncio.run(until_interrupted(run_watcher(settings)))
