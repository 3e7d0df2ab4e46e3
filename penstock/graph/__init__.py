"""Dataflow graphs: `Operation`, `Graph`, `FuncGraph`, their conversion to GraphDef, and the rewrites."""
