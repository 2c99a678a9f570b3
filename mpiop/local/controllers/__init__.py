"""The embedded cluster's controllers, on the API server's public API only."""

from .loop import Controllers

__all__ = ["Controllers"]
