"""Models as ONNX graphs, for programs without torch."""

from kinema.apps.onnx.graph import Exported, export

__all__ = ["Exported", "export"]
