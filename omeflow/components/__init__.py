"""From an InferenceService and what it refers to, to one ComponentConfig per component. Pure (design sections 2 and 4).

references   which objects a service's outcome depends on
inputs       the values that were read, and their fingerprint
build        inputs -> Components: merged specs, modes, one ComponentConfig per role
"""
