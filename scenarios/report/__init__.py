"""A record as files for people and tools: HTML, Markdown, JUnit, and the comparison of two."""
