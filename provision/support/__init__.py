"""What every other package may use: errors, files, cache, progress, parallel work, waiting."""
