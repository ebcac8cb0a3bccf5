"""Render-In-Between: what lies between keys."""
