"""Why Temporal cannot be reached, or refuses, and which setting to look at.

The SDK reports a failed connection as one text of its transport, in which the cause is a name in the middle. TLS that
does not match is not an outage: the settings must change, so those errors are Terminal.
"""

import re
from collections.abc import Mapping
from typing import Any

from temporalio.service import RPCError

from omeflow.api.errors import OmeflowError, Terminal, Unavailable

_MISMATCHES: Mapping[str, str] = {
    r"InvalidCertificate\(UnknownIssuer": "shows a certificate that omeflow does not trust:"
    " TEMPORAL_TLS_SERVER_CA_CERT_PATH must name the CA that signed it",
    r"InvalidCertificate\(NotValidForName": "shows a certificate for another name: set TEMPORAL_TLS_SERVER_NAME to one"
    " that it is for",
    r"InvalidCertificate\((Expired|NotValidYet)": "shows a certificate that has expired or is not valid yet: renew it,"
    " or correct the clock",
    r"InvalidContentType": "does not speak TLS: set TEMPORAL_TLS=false (certificates and an API key switch TLS on), or"
    " name another port with TEMPORAL_ADDRESS",
    r"KeyMismatch": "was not asked, for TEMPORAL_TLS_CLIENT_KEY_PATH is not the key of TEMPORAL_TLS_CLIENT_CERT_PATH",
    r"CertificateRequired|UnknownCA|BadCertificate|received fatal alert": "refuses the client certificate: look at"
    " TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH",
    r"code: '?(Unauthenticated|PermissionDenied|The request does not have|The caller does not have)": "refuses omeflow:"
    " look at TEMPORAL_API_KEY and TEMPORAL_NAMESPACE",
}
"""What follows the server's name, by what the transport says."""
_CUT_OFF = "error after connection"
_NO_NAMESPACE = "NamespaceNotFoundFailure"


def wrong_settings(error: Exception) -> Terminal:
    """Temporal's own variables or profile file cannot be read."""
    return Terminal(
        f"the settings for Temporal are wrong ({error}): look at TEMPORAL_PROFILE, TEMPORAL_CONFIG_FILE, TEMPORAL_TLS_*"
    )


def unreachable(config: Mapping[str, Any], error: Exception) -> OmeflowError:
    """The error to raise for one of `Client.connect`.

    Args:
        config: what the client was to connect with.
        error: what it raised.
    """
    server, said = f"Temporal at {config['target_host']}", str(error)
    for pattern, sentence in _MISMATCHES.items():
        if re.search(pattern, said):
            return Terminal(f"{server} {sentence} ({said})")
    if _CUT_OFF in said:
        look = (
            "it may want another client certificate (TEMPORAL_TLS_CLIENT_CERT_PATH, TEMPORAL_TLS_CLIENT_KEY_PATH)"
            if config.get("tls") or config.get("api_key")
            else "it may want TLS (TEMPORAL_TLS=true, TEMPORAL_TLS_SERVER_CA_CERT_PATH, TEMPORAL_TLS_CLIENT_CERT_PATH)"
        )
        return Unavailable(f"{server} ends the connection before it has answered: {look} ({said})")
    return Unavailable(
        f"no Temporal server answers at {config['target_host']}: start one, or name it with --temporal-address or"
        f" TEMPORAL_ADDRESS ({said})"
    )


def lacks_namespace(error: RPCError) -> bool:
    """Whether a call was refused for want of the Temporal namespace; else what was not found is a run."""
    return any(detail.type_url.endswith(_NO_NAMESPACE) for detail in error.grpc_status.details)


def refused(error: RPCError) -> OmeflowError:
    """The error to raise for a call that Temporal did not take."""
    if lacks_namespace(error):
        return Terminal(f"Temporal: {error} Create it, or name another with --temporal-namespace or TEMPORAL_NAMESPACE")
    return Unavailable(f"Temporal does not take the request: {error}")
