"""The journal: what is painted is on the disk half a second later, and comes back after a crash."""
