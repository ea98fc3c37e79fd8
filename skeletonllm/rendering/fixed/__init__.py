"""Renderers that learn nothing: how the field drew skeletons before, to compare DrAction with."""
