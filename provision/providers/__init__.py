"""Where machines come from, behind one small protocol (`base.Provider`)."""
