"""The watcher: sees what changes, decides from its caches what that means, and tells the runs (design section 3).

world    the caches, and which services an object concerns
queue    services to look at, coalesced
signals  what is told to Temporal
status   what is written into InferenceServices
watcher  one look at one service, and the processes around it
"""
