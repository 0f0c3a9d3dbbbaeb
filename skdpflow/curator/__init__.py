"""The only place where raw rows are touched; what leaves it carries noise."""
