"""The version, where nothing heavy is imported."""

VERSION = "0.1.0"
