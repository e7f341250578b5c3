"""Builds traces and their steps from spans of any convention."""
