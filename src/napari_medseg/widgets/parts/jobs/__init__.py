"""Jobs in the window: the button that starts one, the gate, and how far it is."""
