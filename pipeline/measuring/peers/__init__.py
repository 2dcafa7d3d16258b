"""Programs that do the same hop with other middleware, each alone in an environment of its own.

Each takes one JSON argument (a hop) and prints one JSON object (its samples). None imports anything of ours.
"""
