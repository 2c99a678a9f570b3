"""What the node's programs are told: files, as text."""

from pathlib import Path
from typing import Any, Final

import attrs
import yaml

ADDRESS: Final = "172.30.0.1"
NAME: Final = "node1"
SECOND: Final = "node2"
SERVICES: Final = "10.96.0.0/16"
API_SERVICE: Final = "10.96.0.1"
PODS: Final = "10.244.0.0/16"
POD_RANGE: Final = "10.244.0.0/24"
DOMAIN: Final = "cluster.local"
# Pods that are told so are in a cluster of this domain.
OTHER_DOMAIN: Final = "mpi.test"
GROUP: Final = "mpiop-node"  # begins the names of control groups
DISK: Final = 4 << 30  # bytes at most for what Pods write, and for images; in memory


@attrs.frozen
class Machine:
    """A kubelet with its containers, and where they keep what is theirs.

    Attributes:
        name: of the node.
        group: the control group of all its Pods.
        images: containerd's, and what containers write.
        run: containerd's socket and state.
        pods: the kubelet's folder.
        logs: of containers.
        port: where the kubelet is asked.
    """

    name: str
    group: str
    images: Path
    run: Path
    pods: Path
    logs: Path
    port: int

    @property
    def socket(self) -> str:
        """Where containerd listens."""
        return f"{self.run}/containerd.sock"


def first(folder: Path) -> Machine:
    """Give the node that is there from the beginning, at the usual places."""
    kubelet, logs = Path("/var/lib/kubelet"), Path("/var/log/pods")
    run = Path("/run/containerd")
    images = folder / "containerd"
    return Machine(NAME, group(folder), images, run, kubelet, logs, 10250)


def second(folder: Path) -> Machine:
    """Give a node beside it, all in memory."""
    own = Path("/run") / SECOND
    places = (own / "images", own / "containerd", own / "kubelet", own / "logs")
    return Machine(SECOND, f"{group(folder)}/{SECOND}", *places, 10260)


def containerd(machine: Machine, networks: Path, pause: str) -> str:
    """Configure containerd, in TOML; few enough lines to write by hand."""
    cri = '[plugins."io.containerd.grpc.v1.cri"'
    return "\n".join(
        [
            "version = 2",
            f'root = "{machine.images}"',
            f'state = "{machine.run}"',
            "oom_score = 0",
            "[grpc]",
            f'  address = "{machine.socket}"',
            f"{cri}]",
            f'  sandbox_image = "{pause}"',
            "  restrict_oom_score_adj = true",
            "  disable_apparmor = true",
            f"{cri}.cni]",
            '  bin_dir = "/usr/lib/cni"',
            f'  conf_dir = "{networks}"',
            f"{cri}.containerd]",
            '  snapshotter = "overlayfs"',
            '  default_runtime_name = "runc"',
            f"{cri}.containerd.runtimes.runc]",
            '  runtime_type = "io.containerd.runc.v2"',
            f"{cri}.containerd.runtimes.runc.options]",
            "  SystemdCgroup = false",
            "",
        ]
    )


def network() -> dict[str, Any]:
    """CNI: a bridge, an address for each Pod, ports of the host."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": "/run/cni-ipam",
            "ranges": [[{"subnet": POD_RANGE}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]}


def group(folder: Path) -> str:
    """Name the control group under which all Pods are."""
    return GROUP + str(folder).replace("/", "-")


def kubelet(machine: Machine, resolver: Path) -> str:
    """The kubelet of a private network: whoever reaches it may ask it.

    It takes control groups that it does not know for leftovers and removes them, so
    each node has a root of its own.
    """
    return yaml.safe_dump(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": True},
                "webhook": {"enabled": False},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "address": ADDRESS,
            "port": machine.port,
            "healthzPort": 0,
            "podLogsDir": str(machine.logs),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{machine.group}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "containerRuntimeEndpoint": f"unix://{machine.socket}",
            "clusterDNS": [ADDRESS],
            "clusterDomain": DOMAIN,
            "resolvConf": str(resolver),
            "oomScoreAdj": 0,
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {"memory.available": "100Mi", "nodefs.available": "10%"},
            "evictionPressureTransitionPeriod": "5s",
            "volumeStatsAggPeriod": "5s",  # how soon a volume that is full is seen
            "nodeStatusUpdateFrequency": "4s",
            "nodeLeaseDurationSeconds": 8,
            "registerNode": True,
            "maxPods": 60,
        }
    )


def proxy(kubeconfig: Path) -> str:
    """kube-proxy that leaves the machine's conntrack settings alone."""
    untouched = {
        "maxPerCore": 0,
        "min": 0,
        "tcpEstablishedTimeout": "0s",
        "tcpCloseWaitTimeout": "0s",
    }
    return yaml.safe_dump(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "mode": "nftables",
            "clusterCIDR": PODS,
            "hostnameOverride": NAME,
            "conntrack": untouched,
            "oomScoreAdj": 0,
        }
    )


def dns(kubeconfig: Path) -> str:
    """CoreDNS: the cluster's names in one block, "no such name" for all others."""
    return f"""{DOMAIN}:53 {OTHER_DOMAIN}:53 in-addr.arpa:53 ip6.arpa:53 {{
  errors
  ready 127.0.0.1:8181
  kubernetes {DOMAIN} {OTHER_DOMAIN} in-addr.arpa ip6.arpa {{
    kubeconfig {kubeconfig}
    pods insecure
    ttl 5
  }}
}}
.:53 {{
  template ANY ANY . {{
    rcode NXDOMAIN
  }}
}}
"""
