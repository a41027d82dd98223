"""The WordPress channel. It reads and writes our own blog by REST, with an application password."""
