"""The folder of a run: what is in it, who may write there, how it goes on and ends."""
