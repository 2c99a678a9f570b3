"""The kubelet: runs Pods as processes of this machine, in namespaces or without."""
