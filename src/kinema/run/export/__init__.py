"""Models as ONNX graphs, for programs without torch."""

from kinema.run.export.graph import Exported, export

__all__ = ["Exported", "export"]
