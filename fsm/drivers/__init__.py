"""Around the pure core: drivers, adapters, clocks, journals, snapshots."""
