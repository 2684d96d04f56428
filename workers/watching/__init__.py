"""The watcher: sees what changes, decides from its caches what that means, and tells the runs (design section 3).

world     the caches, and which services an object concerns
queue     services to look at, coalesced
looking   one look at one service
derived   what follows from its records and inputs, computed once
turns     whose turn it is after a change that many refer to
signals   what is told to Temporal
statuses  what is written into InferenceServices
lease     which of several watchers acts
watcher   the process around them
"""
