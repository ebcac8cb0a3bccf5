"""Programs on top of the pipelines: command line, batch jobs, studio, demo, ONNX export."""
