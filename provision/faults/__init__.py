"""Faults that are made on purpose on machines of a lab, and heal by themselves."""
