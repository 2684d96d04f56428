"""From an InferenceService and what it refers to, to one ComponentConfig per component. Pure (design sections 2 and 4).

The way in and out:

references, resolution   which objects a service's outcome depends on, and which of them are chosen
inputs                   the values that were read, and their fingerprint
build                    inputs -> Components: the steps below in order
refused                  what a service has although it is refused
types                    what comes out

The steps, each a section of ome.md:

configuration                                              1.6     OME's own configuration
models                                                     3       what is served
runtimes, selection, compatibility, scoring                4       by what; named, or selected by rules
sizes, versions                                            4.4     what a model's size and versions mean
accelerators, accelerator_fitness                          5.1     on what; named, or chosen by a policy
canonical, merging                                         6       the runtime's components under the service's
placeholders, templates                                    6.4     template variables
modes                                                      7       how each component runs
component                                                  8       one component, put together of the following
fine_tuned                                                 8.3     the weight that it serves
annotations, metadata                                      8.4     what its objects carry
runners, environment                                       8.6     what is added to the container that serves
acceleration, arguments, parallelism                       8.6 ff  what an accelerator class changes
pods                                                       8.8 ff  the pod around the container
model_config                                               12      what the model config says
migration                                                  14.3    the legacy predictor as an engine
shape, validation, defaulting                              15      what the webhooks would refuse and fill in
"""
