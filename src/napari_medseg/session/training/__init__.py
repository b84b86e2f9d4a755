"""Training as the app sees it: data and recipe, the command, the run, and what comes of it."""
