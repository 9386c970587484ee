"""Network driver plugins: facts, privileges, archives, installation, diagnosis."""
