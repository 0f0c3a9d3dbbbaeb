"""The only place where raw rows are read; everything that leaves it has noise."""
