"""The verbs that run scenarios and compare their reports."""
