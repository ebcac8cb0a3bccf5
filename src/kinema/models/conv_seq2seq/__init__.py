"""ConvSeq2Seq: one future, frame by frame."""
