"""SSH as the user's own client does it: settings, host keys, keys, jump hosts."""
