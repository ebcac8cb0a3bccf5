"""Many futures."""
