"""Pictures, films and pages of motion."""
