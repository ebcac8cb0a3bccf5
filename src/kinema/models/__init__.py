"""The models: one architecture per file, each written out in full so that it can be read beside its paper."""
