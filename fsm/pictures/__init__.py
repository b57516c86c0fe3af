"""Diagrams and pages."""
