"""WordPress: reads and writes our own blog by REST, with an application password."""
