"""Fuzzing: every parser of what comes from outside, driven by coverage.

`python -m tests.fuzz --seconds 60` runs all targets, `python -m tests.fuzz dns-reply` one. What makes a target fail is
written to `corpus/TARGET/found-...`, where the ordinary tests replay it from then on.
"""
