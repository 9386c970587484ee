"""The lab's definition, its state folder, its lock, and swarmrig.lock."""
