"""Small pure models of what stands behind the ports: environments of the checker, simulators, oracles."""
