"""Runs MPI programs on Kubernetes."""

__version__ = "0.1.0"
