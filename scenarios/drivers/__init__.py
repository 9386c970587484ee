"""Network driver plugins, and the exercise that runs over any of them."""
