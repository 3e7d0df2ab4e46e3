"""The engine's core: process state, the op definition, and the one funnel that every op call passes."""
