"""Host High Availability: ports, adapters, worlds, planner, agents and the commands of a pool."""
