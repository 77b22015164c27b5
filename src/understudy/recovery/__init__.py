"""Points back to disks: materialise, verify. Knows the vault and the kinds of target, neither VMs nor HTTP."""
