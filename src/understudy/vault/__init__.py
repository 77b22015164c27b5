"""Where recovery points live: one log a machine, packs, extent maps, keys. Knows neither VMs nor hosts."""
