"""What every fault may ask for beside its own."""

from tests.peers.postgres import cluster, shared_cluster

__all__ = ["cluster", "shared_cluster"]  # fixtures, asked for by their names
