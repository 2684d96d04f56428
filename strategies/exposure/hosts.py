"""Host names and paths of a service, from the templates of the ingress configuration (ome.md 11.3).

Whatever a template gives is checked here, so that a route with an impossible host is refused before anything is
written, by a sentence that names the template.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from omeflow.api.errors import Invalid
from omeflow.api.names import dns_label
from omeflow.components.annotations import INGRESS_DOMAIN_TEMPLATE
from omeflow.components.configuration import CONFIG_MAP, IngressConfiguration
from omeflow.components.templates import ACTION, Values, evaluate
from strategies.exposure.effective import INGRESS_DOMAIN, PATH_TEMPLATE, overlaid

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[\w.~!$&'()*+,;=:@-]+)*/?", re.ASCII)
_NO_VALUE = "<no value>"


@dataclass(frozen=True, slots=True)
class Named:
    """The object whose metadata the templates read: the service, or one of its components."""

    namespace: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def domain(name: str, *, of: Named, configuration: IngressConfiguration) -> str:
    """The host name of a service or component; annotations of the object have the last word.

    Raises:
        Invalid: the template cannot be read, or gives no domain name of at least two labels.
    """
    effective = overlaid(configuration, of.annotations)
    template = effective.domain_template
    values: Values = {
        "Name": dns_label(name),
        "Namespace": of.namespace,
        "IngressDomain": effective.ingress_domain,
        "Annotations": of.annotations,
        "Labels": of.labels,
    }
    where = _source(of.annotations, INGRESS_DOMAIN_TEMPLATE, "domainTemplate")
    host = _fill(template, values, where=where).removesuffix(".")
    if not is_domain_name(host) or "." not in host:
        raise Invalid(
            f"{where} {template!r} makes {host!r} of {name}, which is no domain name: use"
            " {{ .Name }}, {{ .Namespace }} and {{ .IngressDomain }} in lower case, joined by dots or dashes"
        )
    return host


def path(name: str, *, of: Named, configuration: IngressConfiguration) -> str:
    """The path under the ingress domain that leads to the service, without a slash at its end; empty: there is none.

    Raises:
        Invalid: the template cannot be read, gives no absolute path, or there is no domain for it.
    """
    effective = overlaid(configuration, of.annotations)
    template = effective.path_template
    if not template:
        return ""
    where = _source(of.annotations, PATH_TEMPLATE, "pathTemplate")
    filled = _fill(template, {"Name": name, "Namespace": of.namespace}, where=where)
    found = unquote(filled.split("?", 1)[0])
    if not found.startswith("/") or not _PATH.fullmatch(found):
        raise Invalid(f"{where} {template!r} makes {filled!r} of {name}, which is no absolute path: start it with /")
    if not is_domain_name(effective.ingress_domain):
        domain_from = _source(of.annotations, INGRESS_DOMAIN, "ingressDomain")
        raise Invalid(f"{domain_from} is {effective.ingress_domain!r}, which is no domain name; {where} needs one")
    return found.rstrip("/") or "/"


def additional_hosts(host: str, *, domains: Iterable[str], additional: Iterable[str]) -> list[str]:
    """The host under each additional domain: what stands before the longest of `domains` that it ends in, moved there.

    An additional domain that makes no valid host name is left out.
    """
    ends = [one for one in domains if one and host.endswith(f".{one}")]
    if not ends:
        return []
    front = host.removesuffix(max(ends, key=len))
    moved = dict.fromkeys(f"{front}{one}" for one in additional)
    return [one for one in moved if one != host and is_domain_name(one)]


def is_domain_name(text: str) -> bool:
    """Whether every part is a DNS label (RFC 1123), in lower case."""
    return len(text) <= 253 and all(_LABEL.fullmatch(part) for part in text.split("."))


def _fill(template: str, values: Values, *, where: str) -> str:
    def text(action: re.Match[str]) -> str:
        found = evaluate(action["body"].strip(), values, missing=_NO_VALUE)
        if found is None:
            raise Invalid(
                f"{where} {template!r}: {action[0].strip()!r} is not understood; known are "
                + ", ".join(f"{{{{ .{name} }}}}" for name, value in values.items() if isinstance(value, str))
                + (" and {{ index .Annotations `key` }} or .Labels" if "Labels" in values else "")
            )
        return found

    pieces = ACTION.split(template)
    if any("{{" in piece for piece in pieces[::2]):
        raise Invalid(f"{where} {template!r} has braces that are not closed")
    return ACTION.sub(text, template)


def _source(annotations: Mapping[str, str], key: str, field: str) -> str:
    """What a sentence calls the place where a setting comes from."""
    return (
        f"annotation {key}" if annotations.get(key) else f"field {field} of ConfigMap {CONFIG_MAP}, data key ingress,"
    )
