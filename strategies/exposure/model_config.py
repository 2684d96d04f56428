"""The ConfigMap that tells other programs which model a service serves (ome.md 12)."""

from omeflow.api.kinds import CONFIG_MAP
from omeflow.api.names import ISVC_LABEL
from strategies.contract import Manifest, Owner
from strategies.manifests import owned


def model_config_name(service: str) -> str:
    """Upstream's name, so that its object can be taken over. That two long names may end alike is refused as somebody
    else's object, where upstream's services fight over it (ome.md 16.7)."""
    return f"modelconfig-{service[-20:]}"


def model_config(owner: Owner, text: str) -> Manifest:
    """The ConfigMap with the text of `models.json`."""
    labels = {ISVC_LABEL: owner.name}
    return owned(CONFIG_MAP, owner, model_config_name(owner.name), labels=labels, data={"models.json": text})
