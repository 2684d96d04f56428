"""From an InferenceService and what it refers to, to one ComponentConfig per component. Pure (design sections 2 and 4).

The way in and out:

references    which objects a service's outcome depends on
inputs        the values that were read, and their fingerprint
build         inputs -> Components: the steps below in order, one ComponentConfig per role
types         what comes out

The steps, each a section of ome.md:

validation, defaulting          15     what the webhooks would refuse and fill in
models, versions, runtimes      3, 4   what is served, and by what
canonical, quantities, merging  6      the runtime's components under the service's
placeholders                    6.4    template variables
modes                           7      how each component runs
annotations, metadata           8.4    what its objects carry
runners, pods                   8.6 ff the containers and the pods around them
"""
