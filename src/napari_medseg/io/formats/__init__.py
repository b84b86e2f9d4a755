"""One module for each kind of file; what is common to all stands above, in `io`."""
