"""RoleBasedGroup: one object with several roles, chosen by `ome.io/deploymentMode: RoleBasedGroup` (rbg.md)."""
