"""The Kubernetes API: connection, requests, list-watch cache, field ownership. Thin; plain dicts on the wire."""
