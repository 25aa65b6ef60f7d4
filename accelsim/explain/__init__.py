"""Why a layer costs what it costs: formulas with its own numbers, in the letters of a hardware-for-AI lecture."""

from accelsim.explain.formulas import Explained, explain_graph, explain_layers, explain_network

__all__ = ["Explained", "explain_graph", "explain_layers", "explain_network"]
