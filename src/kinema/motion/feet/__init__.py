"""Contacts, foot locking and the root path that follows from the feet."""
