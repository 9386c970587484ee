"""The record of a run: its model, storage, normalization and comparison."""
