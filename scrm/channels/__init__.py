"""What a channel is, and each kind of one. Add a kind: its file, a line in `registry`."""
