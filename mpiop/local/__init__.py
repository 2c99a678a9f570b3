"""The embedded cluster: an API server, its controllers and a kubelet of processes.

It is a Kubernetes, not a part of the operator: nothing in here knows MPIJobs, and the
operator speaks HTTP to it as to any other API server.
"""
