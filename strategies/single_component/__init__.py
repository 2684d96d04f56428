"""One workload object per component, as OME's own controller makes them."""
