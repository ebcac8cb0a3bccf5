"""One motion on another skeleton."""
