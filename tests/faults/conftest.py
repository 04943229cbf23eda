"""What every fault may ask for beside its own."""

from tests.peers.postgres import cluster

__all__ = ["cluster"]  # a fixture, asked for by its name
