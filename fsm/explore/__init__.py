"""Systems of machines and a world: every reachable state, properties, simulation, golden traces."""
