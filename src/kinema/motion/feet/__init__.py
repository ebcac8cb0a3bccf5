"""Contacts, foot locking and the root trajectory that follows from the feet."""
