"""The watcher: sees what changes, decides from its caches what that means, and tells the runs (design section 3).

world       the caches, and which services an object concerns
keeping     what is kept there of an object
referred    what services refer to, and whom a change of it concerns
definitions when a kind comes that the cluster has lacked
policies    rollout policies: who follows which, and whether it can be kept
queue       what to look at, coalesced
looking     one look at one service: what is done of the following six
sight       what the caches say of it
derived     what follows from its records and inputs, computed once
following   what its policy means for it
triggering  its run is started or signalled, once for each change
telling     its open run hears how its roles stand
statuses    what is written into the InferenceService
turns       whose turn it is after a change that many refer to
signals     what is told to Temporal
lease       which of several watchers acts
rivals      other omeflows, which act on the same namespaces
watcher     the process around them
"""
