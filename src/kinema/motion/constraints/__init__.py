"""Constraints that a motion meets exactly: `kinds` says what they are, `solver` deforms a clip until they hold."""
