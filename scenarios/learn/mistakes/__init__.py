"""Mistakes that people make in the exercises, recognized by what the engines have."""
