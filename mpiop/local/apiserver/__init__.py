"""The embedded Kubernetes API server: a pure core, and an HTTP shell around it.

`server.ApiServer` answers requests in memory, in one thread and without a clock of its
own; `http.HttpServer` puts it on sockets. Nothing here knows of MPIJobs, controllers or
kubelets: all of them are clients.
"""
