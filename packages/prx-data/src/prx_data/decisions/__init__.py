"""Decisions: columns to groups, labels and verdicts. They never see a pixel."""
