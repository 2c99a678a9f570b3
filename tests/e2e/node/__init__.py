"""A real node on this machine: kubelet, containerd, CNI, kube-proxy and CoreDNS.

    python -m tests.e2e.node up    # one command up; it stays until it is told down
    python -m tests.e2e.node down  # one command down; nothing is left

All of it lives in network, mount, process and host-name namespaces of its own, with
its files in one folder. It needs root, Debian, and the packages that `up` names.
"""
