"""Training as the app sees it: data and recipe, the command, and the run that it starts."""
