"""Adapt to my examples: what the in-context net cannot know is fitted on the support set."""
