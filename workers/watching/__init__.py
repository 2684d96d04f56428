"""The watcher: sees what changes, decides from its caches what that means, and tells the runs (design section 3).

world       the caches, and which services an object concerns
queue       services to look at, coalesced
looking     one look at one service: what is done of the following five
sight       what the caches say of it
derived     what follows from its records and inputs, computed once
triggering  its run is started or signalled, once for each change
telling     its open run hears how its roles stand
statuses    what is written into the InferenceService
turns       whose turn it is after a change that many refer to
signals     what is told to Temporal
lease       which of several watchers acts
watcher     the process around them
"""
