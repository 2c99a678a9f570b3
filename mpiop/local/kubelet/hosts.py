"""Names of Pods and headless Services, as /etc/hosts of each Pod.

A real cluster answers these names by DNS; here every Pod's hosts file lists what DNS
would answer. Libraries read the file at each lookup, so writing it in place suffices.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import attrs

from mpiop.local.kubelet.objects import Json, hostname

DOMAIN: Final = "cluster.local"
_SERVICE: Final = "kubernetes.io/service-name"
_LOCAL: Final = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


@attrs.frozen
class Record:
    """One address that DNS would know; `host` is empty for the Service's own name."""

    address: str
    host: str
    service: str
    namespace: str


def records(slices: Iterable[Json]) -> list[Record]:
    """List what EndpointSlices publish: ready endpoints only, as DNS does."""
    found: list[Record] = []
    for item in slices:
        metadata = item["metadata"]
        service = metadata.get("labels", {}).get(_SERVICE)
        if not service:
            continue
        for endpoint in item.get("endpoints") or ():
            if endpoint.get("conditions", {}).get("ready") is False:
                continue
            for address in endpoint.get("addresses", ()):
                for host in {"", endpoint.get("hostname", "")}:
                    record = Record(address, host, service, metadata["namespace"])
                    found.append(record)
    return sorted(set(found), key=attrs.astuple)


def hosts_file(pod: Json, address: str, known: Iterable[Record]) -> str:
    """Write a Pod's hosts file: itself first, then all that it can look up."""
    rows = [_LOCAL + f"{address}\t{' '.join(_own_names(pod))}"]
    for record in known:
        names = dict.fromkeys(_names(record, search_domains(pod)))
        rows.append(f"{record.address}\t{' '.join(names)}")
    aliases = pod["spec"].get("hostAliases") or ()
    rows += [f"{item['ip']}\t{' '.join(item.get('hostnames', ()))}" for item in aliases]
    return "\n".join(rows) + "\n"


def search_domains(pod: Json) -> list[str]:
    """Return the Pod's DNS search list."""
    namespace = pod["metadata"]["namespace"]
    base = [f"{namespace}.svc.{DOMAIN}", f"svc.{DOMAIN}", DOMAIN]
    spec = pod["spec"]
    extra = (spec.get("dnsConfig") or {}).get("searches") or []
    if spec.get("dnsPolicy") == "None":
        base = []
    own = spec.get("subdomain")
    # Beyond a real cluster: Pods of one subdomain know one another by bare host name,
    # which nothing but a search list could say in a hosts file.
    beyond = [f"{own}.{namespace}.svc.{DOMAIN}"] if own else []
    return [*base, *extra, *beyond]


def resolv_conf(pod: Json) -> str:
    """Write a Pod's resolver configuration.

    There is no name server: an unknown name fails at once on the Pod's own loopback.
    """
    config = pod["spec"].get("dnsConfig") or {}
    lines = [f"search {' '.join(search_domains(pod))}"]
    lines += [f"nameserver {server}" for server in config.get("nameservers") or ()]
    options = [
        f"{item['name']}:{item['value']}" if item.get("value") else item["name"]
        for item in config.get("options") or ()
    ]
    lines.append(f"options {' '.join(options or ['ndots:5'])}")
    return "\n".join(lines) + "\n"


def rewrite(path: Path, text: str) -> None:
    """Replace a file's content in place: Pods hold the file itself, not its name."""
    data = text.encode()
    with path.open("r+b" if path.exists() else "wb") as file:
        if path.stat().st_size == len(data) and file.readable():
            if file.read() == data:
                return
            file.seek(0)
        file.write(data)
        file.truncate()


def _own_names(pod: Json) -> Iterator[str]:
    name, subdomain = hostname(pod), pod["spec"].get("subdomain")
    if subdomain:
        yield f"{name}.{subdomain}.{pod['metadata']['namespace']}.svc.{DOMAIN}"
    yield name


def _names(record: Record, searches: Iterable[str]) -> Iterator[str]:
    host = f"{record.host}." if record.host else ""
    full = f"{host}{record.service}.{record.namespace}.svc.{DOMAIN}"
    yield full
    yield full.removesuffix(f".{DOMAIN}")
    for domain in searches:
        if full.endswith(f".{domain}"):
            yield full.removesuffix(f".{domain}")
